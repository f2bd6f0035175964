import { FlintlockError } from "@flintlock/core";

/** `linux/posix_acl_xattr.h`: what `getxattr` gives, and archives carry */
const XATTR_VERSION = 2;
const XATTR_ENTRY_SIZE = 8;
/** `fs/ext4/acl.h`: what the disk holds */
const STORED_VERSION = 1;
const HEADER_SIZE = 4;
const USER = 0x02;
const GROUP = 0x08;

/**
 * Turns an ACL from the form of `system.posix_acl_*` attributes into ext4's, where only entries for named
 * users and groups have an id.
 * @throws FlintlockError `data_loss` – not an ACL
 */
export const toStoredAcl = (xattr: Uint8Array): Buffer => {
  const bytes = Buffer.from(xattr);
  const isAcl = bytes.length >= HEADER_SIZE && bytes.readUInt32LE(0) === XATTR_VERSION;
  if (!isAcl || (bytes.length - HEADER_SIZE) % XATTR_ENTRY_SIZE !== 0) {
    throw new FlintlockError("data_loss", "its access control list is malformed");
  }
  const stored = Buffer.alloc(bytes.length);
  stored.writeUInt32LE(STORED_VERSION, 0);
  let at = HEADER_SIZE;
  for (let from = HEADER_SIZE; from < bytes.length; from += XATTR_ENTRY_SIZE) {
    const tag = bytes.readUInt16LE(from);
    bytes.copy(stored, at, from, from + 4); // tag and permissions
    at += 4;
    if (tag !== USER && tag !== GROUP) continue;
    bytes.copy(stored, at, from + 4, from + 8); // id
    at += 4;
  }
  return stored.subarray(0, at);
};
