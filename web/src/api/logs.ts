// The question language of the log search, as far as several features write it.

// A value as a term of the question: quoted where it would be taken apart.
export const term = (field: string, value: string) =>
  `${field}:${/^[\p{L}\p{N}_.@-]+$/u.test(value) ? value : `"${value.replace(/(["\\])/g, "\\$1")}"`}`;
