import type { FieldInfo } from "../api/contract";
import { useTexts, useWords } from "../texts/context";
import { SelectField, TextArea, TextField } from "./ui";

// A declared field that is typed or chosen: what points to nothing and carries no file.
export function PlainField({
  field,
  id,
  value,
  problem,
  change,
}: {
  field: FieldInfo;
  id: string;
  value: string;
  problem?: string;
  change: (value: string) => void;
}) {
  const t = useTexts();
  const words = useWords();
  const common = {
    id,
    label: words(field.label),
    help: words(field.help) || undefined,
    required: field.required,
    problem,
    value,
  };
  if (field.type === "choice" || field.type === "boolean")
    return (
      <SelectField {...common} onChange={(event) => change(event.target.value)}>
        <option value="">{t("record.unset")}</option>
        {field.type === "boolean" ? (
          <>
            <option value="true">○ {t("record.yes")}</option>
            <option value="false">－ {t("record.no")}</option>
          </>
        ) : (
          field.choices?.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {words(choice.label)}
            </option>
          ))
        )}
      </SelectField>
    );
  if (field.type === "long_text") return <TextArea {...common} onChange={(event) => change(event.target.value)} />;
  const type = field.type === "date" ? "date" : field.type === "datetime" ? "datetime-local" : "text";
  return <TextField {...common} type={type} onChange={(event) => change(event.target.value)} />;
}
