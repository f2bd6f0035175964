/** Who asks. The transport proves it, the use cases decide by it, and records and the audit log keep the name. */

/** Each may all that the one before it may. */
export const ROLES = ["viewer", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

export interface Caller {
  /** Of the token or certificate; unique among this daemon's callers */
  readonly name: string;
  readonly role: Role;
  /** Namespaces this caller may see and use; "all" for every one */
  readonly namespaces: "all" | readonly string[];
}

export const hasRole = (caller: Caller, role: Role): boolean =>
  ROLES.indexOf(caller.role) >= ROLES.indexOf(role);

export const hasNamespace = ({ namespaces }: Caller, namespace: string): boolean =>
  namespaces === "all" || namespaces.includes(namespace);

/** Whoever may open the daemon's own Unix socket: its user, and root. */
export const LOCAL_CALLER: Caller = { name: "local", role: "admin", namespaces: "all" };
