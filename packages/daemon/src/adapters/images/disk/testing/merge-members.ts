import { mergeEntry } from "../layers/merge-entry.ts";
import { FileTree } from "../layers/tree.ts";
import { readTar } from "../tar/read-tar.ts";
import { inChunks, type Member, makeTar } from "./make-tar.ts";

export interface Merged {
  readonly tree: FileTree<string>;
  /** Contents of files whose last name went, in that order */
  readonly released: readonly string[];
}

/** Merges layers, bottom first, by way of real archives. A file's content is its text. */
export const mergeMembers = async (...layers: readonly (readonly Member[])[]): Promise<Merged> => {
  const released: string[] = [];
  const tree = new FileTree<string>((content) => released.push(content));
  for (const members of layers) {
    tree.beginLayer();
    for await (const entry of readTar(inChunks(makeTar(...members)), new AbortController().signal)) {
      await mergeEntry(tree, entry, async ({ body }) => {
        let text = "";
        for await (const chunk of body) text += Buffer.from(chunk).toString("latin1");
        return text;
      });
    }
  }
  return { tree, released };
};

/** Each name of the tree with what it stands for: a file's text, `-> target`, `dir`, or a device's type. */
export const listTree = ({ tree }: Merged): Readonly<Record<string, string>> => {
  const names: Record<string, string> = {};
  const visit = (directory: FileTree<string>["root"], prefix: string): void => {
    for (const [name, { node }] of directory.children) {
      const path = `${prefix}${name}`;
      if (node.type === "directory") {
        names[path] = "dir";
        visit(node, `${path}/`);
      } else if (node.type === "file") names[path] = node.content;
      else names[path] = node.type === "symlink" ? `-> ${node.target}` : node.type;
    }
  };
  visit(tree.root, "");
  return names;
};
