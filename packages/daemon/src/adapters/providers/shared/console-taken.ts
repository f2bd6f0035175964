import { FlintlockError } from "@flintlock/core";

/** A console has one client at a time, whichever VMM serves it. */
export const consoleTaken = (): FlintlockError =>
  new FlintlockError("failed_precondition", "another client has this microVM's console", {
    hint: "Its output so far is in the logs.",
  });
