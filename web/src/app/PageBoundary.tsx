import { Component, type ReactNode } from "react";
import { useTexts } from "../texts/context";
import { Button, PageHead } from "../ui/ui";
import { Link } from "./router";

// What a page throws while it is drawn ends here: what stands around it goes on, and another address begins anew.
type Props = { address: string; around?: (broken: ReactNode) => ReactNode; children: ReactNode };
type State = { address: string; thrown: { error: unknown } | null };

export class PageBoundary extends Component<Props, State> {
  override state: State = { address: this.props.address, thrown: null };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { thrown: { error } };
  }

  static getDerivedStateFromProps({ address }: Props, state: State): State | null {
    return address === state.address ? null : { address, thrown: null };
  }

  override render() {
    const { thrown } = this.state;
    if (!thrown) return this.props.children;
    const broken = <Broken error={thrown.error} again={() => this.setState({ thrown: null })} />;
    return this.props.around?.(broken) ?? broken;
  }
}

function Broken({ error, again }: { error: unknown; again: () => void }) {
  const t = useTexts();
  return (
    <>
      <PageHead title={t("app.broken")} />
      <div className="notice bad" role="alert">
        <p>{t("app.broken.what")}</p>
        <p>{t("app.broken.safe")}</p>
      </div>
      <p className="actions">
        <Button kind="primary" onClick={() => window.location.reload()}>
          {t("app.reload")}
        </Button>
        <Link className="button secondary" to="/" onClick={again}>
          {t("app.go_home")}
        </Link>
      </p>
      <details>
        <summary>{t("app.broken.details")}</summary>
        <p>
          <code>{String(error)}</code>
        </p>
      </details>
    </>
  );
}
