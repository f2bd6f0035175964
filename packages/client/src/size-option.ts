import { ClientError } from "./client-error.ts";

/** MiB as a number, or a text such as "512M", "1.5G" or "2GiB" */
export type Size = number | string;

const MIB_PER_UNIT: Readonly<Record<string, number>> = { K: 1 / 1024, M: 1, G: 1024, T: 1024 * 1024 };
/** Of int32 on the wire */
const MAX = 2 ** 31 - 1;

/** @throws ClientError `invalid_spec` – no size, or no whole mebibytes */
export const mebibytes = (option: string, size: Size): number => {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?$/i.exec(String(size).trim()) ?? [];
  const mib = Number(number) * (MIB_PER_UNIT[(unit || "M").toUpperCase()] ?? Number.NaN);
  if (Number.isInteger(mib) && mib >= 1 && mib <= MAX) return mib;
  throw new ClientError(
    "invalid_spec",
    `${option}: must be whole mebibytes, or a size such as "512M" or "2G"`,
    {
      field: option,
    },
  );
};

/** What the encoder would refuse in words of its own. @throws ClientError `invalid_spec` */
export const whole = (option: string, value: number): number => {
  if (Number.isInteger(value) && value >= 0 && value <= MAX) return value;
  throw new ClientError("invalid_spec", `${option}: must be a whole number from 0 to ${MAX}`, {
    field: option,
  });
};
