/** `Content-Range: bytes 100-199/200` (RFC 9110, 14.4); undefined for anything else. */
export const parseContentRange = (
  header: string | undefined,
): { readonly start: number; readonly end: number; readonly total: number | undefined } | undefined => {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const [, start, end, total] = match;
  return { start: Number(start), end: Number(end), total: total === "*" ? undefined : Number(total) };
};
