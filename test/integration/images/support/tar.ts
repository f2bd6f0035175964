/** A tar of small files, ustar: enough to be a layer that any tool reads. */
export const tarOf = (files: Readonly<Record<string, string | Uint8Array>>): Buffer => {
  const blocks: Buffer[] = [];
  for (const [path, content] of Object.entries(files)) {
    const bytes = Buffer.from(content as Uint8Array);
    blocks.push(header(path, bytes.length, "0", ""), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
};

export const linkHeader = (path: string, target: string, type: "1" | "2"): Buffer =>
  header(path, 0, type, target);

const header = (path: string, size: number, type: string, link: string): Buffer => {
  const block = Buffer.alloc(512);
  block.write(path, 0, 100);
  block.write("0000644\0" + "0000000\0" + "0000000\0", 100);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
};
