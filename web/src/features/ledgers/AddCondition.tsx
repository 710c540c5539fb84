import { useState } from "react";
import type { RegisterInfo } from "../../api/contract";
import { useTexts, useWords } from "../../texts/context";
import { canCondition, conditionOn } from "./conditions";

// A condition: a field, then a choice, yes or no, or a part of its text.
export function AddCondition({ info, add }: { info: RegisterInfo; add: (name: string, value: string) => void }) {
  const t = useTexts();
  const words = useWords();
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const field = info.fields.find((one) => one.name === name);
  const usable = info.fields.filter(canCondition);
  const done = (chosen: string) => {
    if (!field || !chosen) return;
    add(conditionOn(field), chosen);
    setName("");
    setValue("");
  };
  return (
    <>
      <div className="field">
        <label htmlFor="filter-field">{t("ledger.condition")}</label>
        <select
          id="filter-field"
          value={name}
          onChange={(event) => {
            setName(event.target.value);
            setValue("");
          }}
        >
          <option value="">{t("app.none")}</option>
          {usable.map((one) => (
            <option key={one.name} value={one.name}>
              {words(one.label)}
            </option>
          ))}
        </select>
      </div>
      {field && (
        <div className="field">
          <label htmlFor="filter-value">{words(field.label)}</label>
          {field.type === "choice" || field.type === "boolean" ? (
            <select id="filter-value" value="" onChange={(event) => done(event.target.value)}>
              <option value="">{t("record.unset")}</option>
              {field.type === "boolean" ? (
                <>
                  <option value="true">{t("record.yes")}</option>
                  <option value="false">{t("record.no")}</option>
                </>
              ) : (
                field.choices?.map((choice) => (
                  <option key={choice.value} value={choice.value}>
                    {words(choice.label)}
                  </option>
                ))
              )}
            </select>
          ) : (
            <input
              id="filter-value"
              type={field.type === "date" ? "date" : "text"}
              value={value}
              onChange={(event) => setValue(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter") done(value);
              }}
              onBlur={() => done(value)}
            />
          )}
        </div>
      )}
    </>
  );
}
