import { useQueries, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { get } from "../../api/client";
import type { Answer, RecordInfo } from "../../api/contract";
import { blockKey, blocksFor, blockSize, learned, nothingKnown, placeOf, type Block } from "./blocks";

// What a list is asked for: facility, text, conditions and order, as the API takes them.
export type Asked = { sort: string; descending: boolean } & Record<string, string | boolean>;

export type Rows = {
  total: number;
  isPending: boolean;
  error: unknown;
  again: () => void;
  // Changes with the question: another list, to be seen from its beginning.
  question: string;
  // The rows that are looked at; their blocks are fetched and stay, others may go.
  look: (rows: number[]) => void;
  at: (row: number) => RecordInfo | undefined;
};

function blockQuery(register: string, asked: Asked, { end, cursor }: Pick<Block, "end" | "cursor">) {
  const descending = end === "start" ? asked.descending : !asked.descending;
  const values = { ...asked, descending, cursor, limit: blockSize };
  return {
    queryKey: ["records", register, values],
    queryFn: () => get("/api/v1/registers/{register}/records", { register, ...values }),
    // Of a long list only what is seen stays in memory, and a little of what was.
    gcTime: 10_000,
  };
}

// The rows of a register, however many: fetched by blocks where they are looked at.
export function useRows(register: string, asked: Asked): Rows {
  const question = JSON.stringify([register, asked]);
  const [state, setState] = useState({ question, known: nothingKnown, looked: [0] });
  // Another question has other cursors, and is looked at from its beginning.
  const { known, looked } = state.question === question ? state : { known: nothingKnown, looked: [0] };
  const first = useQuery({
    ...blockQuery(register, asked, { end: "start", cursor: "" }),
    placeholderData: (before: Answer<"get", "/api/v1/registers/{register}/records"> | undefined) => before,
  });
  const total = first.data?.total ?? 0;
  const blocks = blocksFor(looked, total, known);
  const results = useQueries({ queries: blocks.map((block) => blockQuery(register, asked, block)) });

  const pages = new Map<string, Answer<"get", "/api/v1/registers/{register}/records">>();
  let knownNow = known;
  blocks.forEach((block, index) => {
    const page = results[index]?.data ?? (block.cursor === "" && block.end === "start" ? first.data : undefined);
    if (!page) return;
    pages.set(blockKey(block), page);
    if (!first.isPlaceholderData) knownNow = learned(knownNow, block, page.next);
  });
  if (state.question !== question || knownNow !== known) setState({ question, known: knownNow, looked });

  const look = useCallback(
    (rows: number[]) =>
      setState((before) => {
        const asks = (some: number[]) => blocksFor(some, total, before.known).map(blockKey).join();
        // Nothing to draw anew for as long as the same blocks are seen.
        return before.question !== question || asks(rows) === asks(before.looked)
          ? before
          : { ...before, looked: rows };
      }),
    [question, total],
  );

  const failed = [first, ...results].filter((result: UseQueryResult) => result.error !== null);
  return {
    total,
    isPending: first.isPending,
    error: failed[0]?.error ?? null,
    again: () => failed.forEach((result) => void result.refetch()),
    question,
    look,
    at: (row) => {
      const place = placeOf(row, total, known);
      return pages.get(blockKey(place))?.items[place.offset];
    },
  };
}
