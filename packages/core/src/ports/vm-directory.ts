/** The directory a VM owns on the host: `<state>/vm/<namespace>/<id>/<uid>`, mode 0700, as upstream lays it out. */
import type { Uid } from "../domain/units.ts";

export interface VmKey {
  readonly namespace: string;
  readonly id: string;
  readonly uid: Uid;
}

export interface VmDirectories {
  /** The path; nothing is created. */
  path(vm: VmKey): string;
  ensure(vm: VmKey): Promise<string>;
  exists(vm: VmKey): Promise<boolean>;
  /** Removes it and those parents that became empty; absent is success. */
  remove(vm: VmKey): Promise<void>;
}
