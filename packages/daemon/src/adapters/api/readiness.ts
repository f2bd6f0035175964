/** Whether calls would be served: what `/readyz` and gRPC health say. */
export interface ReadinessReport {
  readonly isReady: boolean;
  /** By part: "ok", or what is wrong, in words for anybody */
  readonly checks: Readonly<Record<string, string>>;
}

/** Cheap to ask often; never rejects. */
export type Readiness = () => Promise<ReadinessReport>;

export const alwaysReady: Readiness = async () => ({ isReady: true, checks: {} });
