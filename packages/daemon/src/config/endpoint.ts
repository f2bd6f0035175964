/** `host:port` of a listener. */
import { isIP } from "node:net";
import { settingError } from "./option-value.ts";
import type { OptionName } from "./options.ts";
import type { Settings } from "./settings.ts";

type EndpointOption = Extract<OptionName, `${string}-endpoint`>;

const MAX_PORT = 65_535;

/** Undefined when it is unset, or empty.
 * @throws FlintlockError `invalid_spec`
 */
export const optionalEndpoint = (settings: Settings, option: EndpointOption): string | undefined => {
  const text = settings.get(option);
  if (text === undefined || text === "") return undefined;
  const [, v6, name = "", port] = /^(?:\[([^\]]*)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > MAX_PORT || (v6 !== undefined && isIP(v6) !== 6)) {
    throw settingError(
      `--${option}`,
      `${JSON.stringify(text)} is not host:port`,
      `for example ${name === "" ? "localhost" : name}:9090 or [::1]:9090`,
    );
  }
  return text;
};

/** Only this machine reaches it. */
export const isLoopback = (endpoint: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\]):\d+$/.test(endpoint);
