import { flexRender, getCoreRowModel, useReactTable, type ColumnDef, type Row } from "@tanstack/react-table";
import { defaultRangeExtractor, useVirtualizer, type Range } from "@tanstack/react-virtual";
import { Fragment, memo, useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import type { FieldInfo, RecordInfo, RegisterInfo } from "../../api/contract";
import { Link, useRouter } from "../../app/router";
import { shownAs } from "../../app/shown";
import { useLanguage, useTexts, useWords, wordsIn } from "../../texts/context";
import { sentence } from "../../texts/texts";
import { widthOf } from "./columns";
import { withGaps } from "./gaps";
import { isElsewhere, rowAfter } from "./keys";
import type { Rows } from "./rows";

const usualHeight = 42; // pixels of a row of one line; others are measured as they come to be seen

type Props = {
  info: RegisterInfo;
  fields: FieldInfo[];
  list: Rows;
  sort: string;
  descending: boolean;
  sortBy: (name: string) => void;
};

// What is seen of the list, without its border and the bar that scrolls it sideways.
function observeInside(
  { scrollElement }: { scrollElement: HTMLDivElement | null },
  tell: (size: { width: number; height: number }) => void,
) {
  if (!scrollElement) return;
  const measure = () => tell({ width: scrollElement.clientWidth, height: scrollElement.clientHeight });
  const observer = new ResizeObserver(measure);
  observer.observe(scrollElement);
  measure();
  return () => observer.disconnect();
}

// A list of any length: only the rows that are seen are in the page. One of them is current: it has the tab stop, the
// keys move it, it stays in the page when it is scrolled out of sight, and so does the focus.
export function RecordTable({ info, fields, list, sort, descending, sortBy }: Props) {
  const t = useTexts();
  const words = useWords();
  const { go } = useRouter();
  const scroller = useRef<HTMLDivElement>(null);
  const table = useRef<HTMLTableElement>(null);
  const [headHeight, setHeadHeight] = useState(0);
  const head = useCallback((element: HTMLTableSectionElement) => {
    const observer = new ResizeObserver(() => setHeadHeight(element.offsetHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const [chosen, setChosen] = useState({ question: list.question, row: 0 });
  const row = chosen.question === list.question ? Math.min(chosen.row, list.total - 1) : 0;
  // The current row's link is to have the focus as soon as it is there.
  const wanted = useRef(false);

  const virtual = useVirtualizer({
    count: list.total,
    getScrollElement: () => scroller.current,
    observeElementRect: observeInside,
    estimateSize: () => usualHeight,
    overscan: 8,
    scrollMargin: headHeight,
    scrollPaddingStart: headHeight, // the head covers what is under it
    rangeExtractor: useCallback(
      (range: Range) => [...new Set([...defaultRangeExtractor(range), row])].sort((a, b) => a - b),
      [row],
    ),
  });
  const seen = virtual.getVirtualItems();

  const { look, at, question } = list;
  const looked = seen.map((one) => one.index).join();
  useEffect(() => {
    if (looked) look(looked.split(",").map(Number));
  }, [looked, look]);
  useEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [question]);

  const move = (to: number) => {
    wanted.current = true;
    setChosen({ question, row: to });
    virtual.scrollToIndex(to);
    // Until the row is there, and while the one before goes.
    table.current?.focus({ preventScroll: true });
  };
  useEffect(() => {
    if (!wanted.current) return;
    // Who went on meanwhile is not called back.
    if (document.activeElement !== table.current) wanted.current = false;
    const link = table.current?.querySelector<HTMLElement>(`tr[aria-rowindex="${row + 2}"] a`);
    if (!wanted.current || !link) return;
    wanted.current = false;
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "nearest" }); // also where the list itself stands partly out of sight
    virtual.scrollToIndex(row); // the rows that came with it have other heights than were reckoned
  });

  const pressed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.floor(((scroller.current?.clientHeight ?? 0) - headHeight) / usualHeight) - 1;
    const to = rowAfter(event.key, row, list.total, Math.max(1, page));
    if (to === null) return;
    event.preventDefault();
    move(to);
  };
  // j and k also from outside the table; there the first of them leads to the current row.
  useEffect(() => {
    const outside = (event: globalThis.KeyboardEvent) => {
      if (!["j", "k"].includes(event.key) || isElsewhere(event) || table.current?.contains(event.target as Node))
        return;
      move(row);
    };
    window.addEventListener("keydown", outside);
    return () => window.removeEventListener("keydown", outside);
  });

  const columns = useColumns(info, fields);
  const records = seen.flatMap(({ index }) => at(index) ?? []);
  const grid = useReactTable({
    data: records,
    columns,
    getRowId: (record) => record.id,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
    // The rows in sight are other data with each scroll; nothing is kept that would have to go back for that.
    autoResetAll: false,
    enableSortingRemoval: false,
    state: { sorting: [{ id: sort, desc: descending }] },
    defaultColumn: { minSize: 0 },
  });
  const rows = new Map(grid.getRowModel().rows.map((one) => [one.id, one]));
  const open = useCallback((id: string) => go(`/ledgers/${info.name}/${id}`), [go, info.name]);

  const { rows: drawn, rest } = withGaps(seen, headHeight, virtual.getTotalSize() + headHeight);
  return (
    <div className="table-scroll rows" ref={scroller} style={{ scrollPaddingTop: headHeight }}>
      <table
        className="grid"
        role="grid"
        ref={table}
        tabIndex={-1}
        aria-label={words(info.label)}
        aria-rowcount={list.total + 1}
        aria-busy={!at(row)}
        onKeyDown={pressed}
        style={{ minWidth: `${grid.getTotalSize()}rem` }}
      >
        <colgroup>
          {grid.getVisibleLeafColumns().map((column) => (
            <col key={column.id} style={{ width: `${column.getSize()}rem` }} />
          ))}
        </colgroup>
        <thead ref={head}>
          <tr aria-rowindex={1}>
            {grid.getFlatHeaders().map((header) => {
              const sorted = header.column.getIsSorted();
              return (
                <th
                  key={header.id}
                  scope="col"
                  aria-sort={sorted === "desc" ? "descending" : sorted ? "ascending" : "none"}
                >
                  <button type="button" onClick={() => sortBy(header.column.id)}>
                    {flexRender(header.column.columnDef.header, header.getContext())}
                    <span aria-hidden="true">{sorted === "desc" ? " ▼" : sorted ? " ▲" : ""}</span>
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {drawn.map(({ row: one, gap }) => {
            const record = at(one.index);
            return (
              <Fragment key={one.key}>
                {gap > 0 && <Gap height={gap} columns={columns.length} />}
                <RecordRow
                  index={one.index}
                  row={record && rows.get(record.id)}
                  columns={columns}
                  current={one.index === row}
                  measure={virtual.measureElement}
                  open={open}
                  loading={t("app.loading")}
                />
              </Fragment>
            );
          })}
          {rest > 0 && <Gap height={rest} columns={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

// Stands for the rows that are not in the page.
function Gap({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true" className="gap-row">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

type RecordRowProps = {
  index: number;
  row: Row<RecordInfo> | undefined;
  columns: ColumnDef<RecordInfo>[];
  current: boolean;
  measure: (element: Element | null) => void;
  open: (id: string) => void;
  loading: string;
};

const RecordRow = memo(
  function RecordRow({ index, row, columns, current, measure, open, loading }: RecordRowProps) {
    const about = { ref: measure, "data-index": index, "aria-rowindex": index + 2 };
    if (!row)
      return (
        <tr {...about} className={current ? "current" : ""}>
          <td colSpan={columns.length} className="waiting">
            {loading}
          </td>
        </tr>
      );
    const { id, register, retired_at, number, label } = row.original;
    return (
      <tr {...about} className={`${retired_at ? "retired" : ""} ${current ? "current" : ""}`} onClick={() => open(id)}>
        {row.getVisibleCells().map((cell, at) => {
          const shown = flexRender(cell.column.columnDef.cell, cell.getContext());
          return (
            <td key={cell.id}>
              {at > 0 ? (
                shown
              ) : (
                <Link
                  to={`/ledgers/${register}/${id}`}
                  tabIndex={current ? 0 : -1}
                  onClick={(event) => event.stopPropagation()}
                >
                  {cell.getValue<string>() || label || number}
                </Link>
              )}
            </td>
          );
        })}
      </tr>
    );
  },
  // The rows of the model are made anew with every drawing; the record in them is what can differ.
  (before, after) =>
    before.index === after.index &&
    before.row?.original === after.row?.original &&
    before.columns === after.columns &&
    before.current === after.current &&
    before.open === after.open &&
    before.loading === after.loading,
);

// The number where the register has one, then the chosen fields; the first of them is the way to the record.
function useColumns(info: RegisterInfo, fields: FieldInfo[]): ColumnDef<RecordInfo>[] {
  const { language } = useLanguage();
  return useMemo(() => {
    const number: ColumnDef<RecordInfo> = {
      id: "number",
      header: sentence("ledger.number", language),
      accessorFn: (record) => record.number,
      size: 9,
    };
    const label: ColumnDef<RecordInfo> = {
      id: "label",
      header: sentence("ledger.label", language),
      accessorFn: (record) => record.label,
      size: 14,
    };
    const of = (field: FieldInfo): ColumnDef<RecordInfo> => ({
      id: field.name,
      header: wordsIn(field.label, language),
      accessorFn: (record) => shownAs(field, record.fields[field.name], record.refs, language),
      size: widthOf(field),
    });
    const columns = [...(info.numbered ? [number] : []), ...fields.map(of)];
    return columns.length > 0 ? columns : [label];
  }, [info, fields, language]);
}
