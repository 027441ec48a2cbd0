import { Globe, SunMoon } from "lucide";
import type { ComponentChildren, JSX } from "preact";
import { THEMES, theme } from "../preferences";
import { LANGUAGES, type Language, language, say, speak } from "../texts/texts";
import { Choice } from "./choice";
import { Mark } from "./mark";

const LANGUAGE_OPTIONS = Object.entries(LANGUAGES).map(([tag, { name }]) => [tag as Language, name] as const);

interface Properties<View extends string> {
  views: View[];
  shown: View;
  onShow(view: View): void;
  /** Actions of the view that is shown. */
  children?: ComponentChildren;
}

/** The name, the views, and the choices of language and theme. */
export function Header<View extends "complete" | "watch" | "masks">(properties: Properties<View>): JSX.Element {
  const { views, shown, onShow, children } = properties;
  return (
    <header class="header">
      <h1>
        <Mark size={26} />
        <span>Onar</span>
      </h1>
      {views.length > 1 && (
        <nav aria-label={say("page_views")}>
          {views.map((view) => (
            <button
              type="button"
              key={view}
              aria-current={view === shown ? "page" : undefined}
              onClick={() => onShow(view)}
            >
              {say(`tab_${view}`)}
            </button>
          ))}
        </nav>
      )}
      <div class="header-actions">{children}</div>
      <div class="header-choices">
        <Choice
          name={say("page_language")}
          icon={Globe}
          value={language.value}
          options={LANGUAGE_OPTIONS}
          onChoose={speak}
        />
        <Choice
          name={say("page_theme")}
          icon={SunMoon}
          value={theme.value}
          options={THEMES.map((name) => [name, say(`page_theme_${name}`)] as const)}
          onChoose={(chosen) => {
            theme.value = chosen;
          }}
        />
      </div>
    </header>
  );
}
