import type { UpdateInput } from "@flintlock/core";

/** An update that leaves all as it is: tests say what theirs changes. */
export const NO_CHANGE: UpdateInput = {
  labels: {},
  removeLabels: [],
  restart: "",
  maxRestarts: 0,
  vcpu: 0,
  memoryInMb: 0,
  publish: [],
  unpublish: [],
  diskInMb: 0,
  volumeSizes: [],
};
