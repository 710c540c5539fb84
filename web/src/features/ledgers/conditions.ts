// Conditions of a list stand in the query string as the API takes them: a field, or field.has, field.lt and the like.
import type { FieldInfo, RegisterInfo } from "../../api/contract";

// What the list itself keeps there.
const own = new Set(["text", "sort", "descending", "retired", "new"]);

export const conditionsIn = (search: URLSearchParams) => [...search.entries()].filter(([name]) => !own.has(name));

export const fieldOf = (info: RegisterInfo, condition: string) =>
  info.fields.find((field) => field.name === condition.split(".")[0]);

export const canCondition = (field: FieldInfo) => !["ref", "file", "long_text", "datetime"].includes(field.type);

// What has few values is equal to one of them; of anything else a part is asked for.
export const conditionOn = (field: FieldInfo) =>
  ["choice", "boolean", "date"].includes(field.type) ? field.name : `${field.name}.has`;
