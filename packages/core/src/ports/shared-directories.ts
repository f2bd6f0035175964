/** Directories of the host that guests may be given. */
export interface SharedDirectories {
  /**
   * Why this one may not be shared, in words that follow the field's name; undefined = it may. An answer for the request:
   * a provider asks again when it shares it, and holds to that.
   */
  refusal(hostPath: string, isReadOnly: boolean): Promise<string | undefined>;
}
