// Written by `orderctl flow types` from the flow's .proto files.

export type Opened = {
  claimId: string;
  policy: string;
  amountMinor: number;
  currency: string;
};

export type Assessed = {
  claimId: string;
  verdict: "COVERED" | "REFUSED";
  amountMinor: number;
  currency: string;
};

export type Paid = {
  claimId: string;
  payoutId: string;
};

export type Closed = {
  claimId: string;
  how: string;
};

export type Claims = {
  key: "claimId";
  events: {
    opened: Opened;
    assessed: Assessed;
    paid: Paid;
    closed: Closed;
  };
};
