import type { RecordInfo, Value, Words } from "../../api/client";

export type LogEvent = {
  stream: string;
  index: number;
  time: string;
  received: string;
  fields: Record<string, string>;
  raw: string;
  cursor: string;
};
export type Owner = { register: string; account: string; person: string; name: string };
export type LogPage = {
  owners: Record<string, Owner>;
  items: LogEvent[];
  more: boolean;
  partial: boolean;
  blocks: number;
  blocks_read: number;
  damage: { what: Words; first: number; last: number }[];
  total?: number;
  histogram?: { from: string; count: number }[];
  counts?: Record<string, { value: string; count: number }[]>;
};
export type Head = {
  origin: string;
  size: number;
  root: string;
  at: string;
  note: string;
  stamp: { at: string; authority: string } | null;
};
export type LogEventDetail = LogEvent & {
  all_fields: { name: string; value: string }[];
  source?: { id: string; name: string; asset: string };
  refused?: Words;
  owners?: Record<string, Owner>;
  proof: { leaf: string; state: "proven" | "waiting" | "broken"; head?: Head; path?: string[] };
};
export type LogStream = {
  stream: string;
  events: number;
  first: number;
  waiting: number;
  bytes: number;
  raw_bytes: number;
  heads: number;
  head: Head | null;
  damage: { what: Words; file: string; first: number; last: number }[];
};
export type LogStreams = {
  items: LogStream[];
  public_key: string;
  disk: { free: number; total: number; days_left: number | null };
};
export type LogSource = RecordInfo & { observed: Record<string, Value> | null };
export type LogSources = {
  items: LogSource[];
  receivers: { address?: string; udp?: number; tcp?: number; tls?: number };
};

export const bytes = (count: number) =>
  count >= 1e9
    ? `${(count / 1e9).toFixed(1)} GB`
    : count >= 1e6
      ? `${(count / 1e6).toFixed(1)} MB`
      : `${Math.ceil(count / 1e3)} KB`;
