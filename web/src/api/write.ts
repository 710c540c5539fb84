// Writing once: what is asked for again before the first answer is there (a double click) is not sent again.
import { useMutation, type UseMutationOptions } from "@tanstack/react-query";
import { useRef } from "react";

export function useWrite<T = unknown, V = void>(options: UseMutationOptions<T, Error, V>) {
  // A reference, not state: the second click of a double click comes before anything is drawn again.
  const running = useRef(false);
  const write = useMutation<T, Error, V>(options);
  const mutate = (value: V) => {
    if (running.current) return;
    running.current = true;
    write
      .mutateAsync(value)
      .catch(() => undefined)
      .finally(() => {
        running.current = false;
      });
  };
  return { ...write, mutate };
}
