/** How much may exist at once, of one caller or in one namespace. */

/** Undefined = no bound. Every record counts until it is gone, whatever its state. */
export interface Quota {
  readonly microvms: number | undefined;
  readonly vcpu: number | undefined;
  readonly memoryMib: number | undefined;
}

export interface Quotas {
  ofNamespace(namespace: string): Quota;
  ofCaller(name: string): Quota;
}

export const NO_QUOTA: Quota = { microvms: undefined, vcpu: undefined, memoryMib: undefined };

export const noQuotas: Quotas = { ofNamespace: () => NO_QUOTA, ofCaller: () => NO_QUOTA };
