// How much that is, for people.
export const bytes = (count: number) =>
  count >= 1e9
    ? `${(count / 1e9).toFixed(1)} GB`
    : count >= 1e6
      ? `${(count / 1e6).toFixed(1)} MB`
      : `${Math.ceil(count / 1e3)} KB`;
