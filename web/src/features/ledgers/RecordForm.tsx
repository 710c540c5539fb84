import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useRef, useState } from "react";
import { get, patch, post } from "../../api/client";
import type { FieldInfo, RecordInfo, RegisterInfo } from "../../api/contract";
import { useWrite } from "../../api/write";
import { allowLeaving, useLeaveGuard } from "../../app/router";
import { useSession } from "../../app/session";
import { useTexts, useWords } from "../../texts/context";
import { PlainField } from "../../ui/PlainField";
import { Button, ErrorSummary, FileLink, Notice, Problem, TextField, useProblemText } from "../../ui/ui";
import { attachmentName, changesOf, formOf, type Form } from "./form";

// A reference: type to find, choose from what exists.
function RefField({
  field,
  value,
  shown,
  problem,
  id,
  change,
}: {
  field: FieldInfo;
  value: string;
  shown: string;
  problem?: string;
  id: string;
  change: (value: string) => void;
}) {
  const words = useWords();
  const { facility } = useSession();
  const [text, setText] = useState(shown);
  const list = useId();
  const found = useQuery({
    queryKey: ["refs", field.to, text],
    queryFn: () =>
      get("/api/v1/registers/{register}/records", {
        register: field.to ?? "",
        facility: facility.id,
        text: text === shown ? "" : text,
        limit: 20,
        sort: "label",
      }),
    placeholderData: (before) => before,
  });
  // Namesakes are told apart as the server understands it: "name [number]".
  const items = found.data?.items ?? [];
  const named = (one: RecordInfo) =>
    items.filter((other) => other.label === one.label).length > 1
      ? `${one.label} [${one.number || one.id}]`
      : one.label;
  return (
    <>
      <TextField
        id={id}
        label={words(field.label)}
        help={words(field.help)}
        required={field.required}
        problem={problem}
        value={text}
        list={list}
        autoComplete="off"
        onChange={(event) => {
          setText(event.target.value);
          // What the text means is for the server to say: it refuses a name that several have.
          change(event.target.value === shown ? value : event.target.value);
        }}
      />
      <datalist id={list}>
        {items.map((one) => (
          <option key={one.id} value={named(one)}>
            {one.number || Object.values(one.refs)[0]}
          </option>
        ))}
      </datalist>
    </>
  );
}

type Sending = { state: "sending" | "failed"; name: string };

// The file is on the server before the record names it; the form knows of each that is still on its way, or did not arrive.
function AttachmentField({
  field,
  kept,
  value,
  problem,
  id,
  sending,
  setSending,
  change,
}: {
  field: FieldInfo;
  kept: string;
  value: string;
  problem?: string;
  id: string;
  sending?: Sending;
  setSending: (sending: Sending | undefined) => void;
  change: (value: string) => void;
}) {
  const t = useTexts();
  const words = useWords();
  const { facility } = useSession();
  const newest = useRef<File | null>(null);
  const [error, setError] = useState<unknown>(null);
  const send = async (file: File) => {
    newest.current = file;
    setError(null);
    setSending({ state: "sending", name: file.name });
    try {
      const { hash } = await post("/api/v1/blobs", { facility: facility.id }, file);
      if (newest.current !== file) return; // another was chosen meanwhile
      change(`${hash}:${file.name}`);
      setSending(undefined);
    } catch (failure) {
      if (newest.current !== file) return;
      setError(failure);
      setSending({ state: "failed", name: file.name });
    }
  };
  const giveUp = () => {
    newest.current = null;
    setError(null);
    setSending(undefined);
  };
  const name = attachmentName(value);
  return (
    <div>
      <TextField
        id={id}
        label={words(field.label)}
        type="file"
        problem={problem}
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) void send(file);
        }}
      />
      {sending?.state === "sending" && <p role="status">{t("record.file.sending", { name: sending.name })}</p>}
      {sending?.state === "failed" && (
        <div>
          <Problem error={error} />
          <p className="actions">
            <Button
              onClick={() => {
                if (newest.current) void send(newest.current);
              }}
            >
              {t("record.file.again", { name: sending.name })}
            </Button>
            <Button onClick={giveUp}>{t("record.file.without")}</Button>
          </p>
        </div>
      )}
      {value && (
        <p className="actions">
          {kept ? <FileLink href={kept}>{name}</FileLink> : name}
          <Button
            kind="quiet"
            onClick={() => {
              giveUp();
              change("");
            }}
          >
            {t("record.file.remove")}
          </Button>
        </p>
      )}
    </div>
  );
}

export function RecordForm({
  info,
  record,
  done,
}: {
  info: RegisterInfo;
  record?: RecordInfo;
  done: (record: RecordInfo) => void;
}) {
  const t = useTexts();
  const client = useQueryClient();
  const { facility } = useSession();
  const prefix = useId();
  const [form, setForm] = useState<Form>(() => formOf(info, record));
  const [number, setNumber] = useState(record?.number ?? "");
  const [reason, setReason] = useState("");
  const [files, setFiles] = useState<Record<string, Sending | undefined>>({});
  const unsent = Object.values(files).find((one) => one);
  const [start] = useState(() => JSON.stringify(formOf(info, record)));
  const save = useWrite({
    mutationFn: () => {
      const fields = changesOf(info, form, record);
      if (number && number !== record?.number) fields.number = number;
      return record
        ? patch(
            "/api/v1/registers/{register}/records/{id}",
            { register: info.name, id: record.id },
            { fields, reason },
            record,
          )
        : post(
            "/api/v1/registers/{register}/records",
            { register: info.name, facility: facility.id },
            { fields, reason },
          );
    },
    onSuccess: async (saved) => {
      await Promise.all(
        ["records", "record", "registers", "today", "framework", "frameworks"].map((key) =>
          client.invalidateQueries({ queryKey: [key] }),
        ),
      );
      allowLeaving();
      done(saved);
    },
  });
  useLeaveGuard(
    !save.isSuccess && (JSON.stringify(form) !== start || number !== (record?.number ?? "")),
    t("record.leave"),
  );
  const wrong = useProblemText(save.error);
  const idOf = (name: string) => `${prefix}${name}`;
  const ids = Object.fromEntries(
    [...info.fields.map((field) => field.name), "number"].map((name) => [name, idOf(name)]),
  );
  const set = (name: string) => (value: string) => setForm((before) => ({ ...before, [name]: value }));
  return (
    <form
      className="record-form"
      noValidate
      onInput={() => {
        if (save.isSuccess || save.isError) save.reset();
      }}
      onSubmit={(event) => {
        event.preventDefault();
        if (!unsent) save.mutate();
      }}
    >
      <ErrorSummary error={save.error} ids={ids} />
      {save.isSuccess && <Notice>{t("app.saved")}</Notice>}
      {info.numbered && (
        <TextField
          id={idOf("number")}
          label={t("ledger.number")}
          help={record ? undefined : t("record.number.auto")}
          value={number}
          problem={wrong("number")}
          onChange={(event) => setNumber(event.target.value)}
        />
      )}
      {info.fields.map((field) => {
        if (field.type === "ref")
          return (
            <RefField
              key={field.name}
              id={idOf(field.name)}
              field={field}
              value={form[field.name] ?? ""}
              shown={record?.refs[field.name] ?? ""}
              problem={wrong(field.name)}
              change={set(field.name)}
            />
          );
        if (field.type === "file")
          return (
            <AttachmentField
              key={field.name}
              id={idOf(field.name)}
              field={field}
              sending={files[field.name]}
              setSending={(sending) => setFiles((before) => ({ ...before, [field.name]: sending }))}
              kept={
                record && form[field.name] === String(record.fields[field.name] ?? "")
                  ? `/api/v1/registers/${info.name}/records/${record.id}/files/${field.name}`
                  : ""
              }
              value={form[field.name] ?? ""}
              problem={wrong(field.name)}
              change={set(field.name)}
            />
          );
        return (
          <PlainField
            key={field.name}
            id={idOf(field.name)}
            field={field}
            value={form[field.name] ?? ""}
            problem={wrong(field.name)}
            change={set(field.name)}
          />
        );
      })}
      {record && (
        <TextField label={t("record.reason")} value={reason} onChange={(event) => setReason(event.target.value)} />
      )}
      <div className="actions sticky">
        <Button kind="primary" type="submit" disabled={save.isPending || !!unsent}>
          {save.isPending ? t("app.saving") : t("app.save")}
        </Button>
        {unsent && (
          <span role="status">
            {t(unsent.state === "sending" ? "record.file.wait" : "record.file.failed", { name: unsent.name })}
          </span>
        )}
      </div>
    </form>
  );
}
