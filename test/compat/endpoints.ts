import type { Endpoints } from "./wire/case.ts";

/** `GRPC_HOST:PORT,HTTP_HOST:PORT` */
export const endpointsOf = (text: string): Endpoints => {
  const [grpc, http] = text.split(",");
  if (!grpc || !http) throw new Error(`'${text}' is not GRPC_HOST:PORT,HTTP_HOST:PORT`);
  return { grpc, http };
};
