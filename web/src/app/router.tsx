// The address bar is the state of the view, so that a view can be sent to a colleague.
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  type AnchorHTMLAttributes,
  type ReactNode,
} from "react";
import { addressWith, type Location } from "./address";

const read = (): Location => ({ path: window.location.pathname, search: new URLSearchParams(window.location.search) });
type Router = { location: Location; go: (to: string, replace?: boolean) => void };
const Context = createContext<Router | null>(null);

// A form with unsaved work asks before the page is left.
let guard: (() => boolean) | null = null;
export function useLeaveGuard(unsaved: boolean, message: string) {
  useEffect(() => {
    if (!unsaved) return;
    const before = (event: BeforeUnloadEvent) => event.preventDefault();
    guard = () => window.confirm(message);
    window.addEventListener("beforeunload", before);
    return () => {
      guard = null;
      window.removeEventListener("beforeunload", before);
    };
  }, [unsaved, message]);
}

// After saving: what the form holds is safe, so leaving needs no question.
export function allowLeaving() {
  guard = null;
}

export function RouterProvider({ children }: { children: ReactNode }) {
  const [location, setLocation] = useState(read);
  useEffect(() => {
    const changed = () => setLocation(read());
    window.addEventListener("popstate", changed);
    return () => window.removeEventListener("popstate", changed);
  }, []);
  const go = useCallback((to: string, replace = false) => {
    const samePage = to.split("?")[0] === window.location.pathname;
    if (!samePage && guard && !guard()) return;
    window.history[replace ? "replaceState" : "pushState"](null, "", to);
    setLocation(read());
    if (!samePage) {
      window.scrollTo(0, 0);
      document.getElementById("content")?.focus();
    }
  }, []);
  const value = useMemo(() => ({ location, go }), [location, go]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export function useRouter() {
  const router = useContext(Context);
  if (!router) throw new Error("no router");
  return router;
}

// Changes some values of the query string, keeps the rest.
export function useSearch() {
  const { location, go } = useRouter();
  // From the address as it is then: what is set twice before anything is drawn keeps both.
  const set = useCallback((values: Record<string, string>) => go(addressWith(read(), values), true), [go]);
  return [location.search, set] as const;
}

export function Link({ to, onClick, children, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const { go } = useRouter();
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        onClick?.(event);
        if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
