// The catalogue: controls (questions to the ledger) and frameworks (official lists that refer to controls),
// all from data files. Knows no database: a control's SQL is text here.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/time.h"

namespace mamori::catalog {

// To which facilities something applies; an empty condition applies to all (GOV-09).
struct Applicability {
  std::set<std::string> kinds;  // facility.kind
  std::optional<long long> least_beds;
  bool needs_vendor = false;  // only where there are vendor contracts
  bool needs_system = true;   // only where a medical information system is used (MFC-00)
  std::string unless_exempt;  // exemption.subject that takes it away
};

// What happens where the question finds nothing to ask about.
enum class WhenEmpty { no_evidence, met, gap, not_applicable };

// Whether a gap stands on the Today page: with the item of the current checklist that asks for it; or
// whatever the checklist asks, because something has happened that someone must look at; or before everything
// else.
enum class Today { as_item, always, first };

struct Control {
  std::string id;  // "accounts.no-leavers"
  Words title;
  std::vector<std::string> requirements;
  std::string about;                  // the register whose records it names
  std::string subjects;               // SELECT id, label …
  std::string violations;             // SELECT id, label[, detail] …
  long long at_least = 0;             // fewer subjects than this are a gap
  std::vector<std::string> evidence;  // observed registers it rests on
  Duration fresh_for{};               // 0 = the registers' own life
  WhenEmpty when_empty = WhenEmpty::no_evidence;
  Applicability applies;
  Words next_step;
  std::string link;  // where it is done: "ledgers/account?kind=shared", "sources", "import/asset"
  Today today = Today::as_item;
  std::string file;
};

struct Level {
  int number = 0;
  Words text;
  std::vector<std::string> controls;
};

struct Item {
  std::string number;  // as on the official form: "2(5)"
  std::string id;      // unique in the framework; the number unless one number stands for several objects
  Words object;        // servers, terminals …
  Words text;          // our own wording
  std::vector<std::string> requirements;
  std::vector<std::string> controls;
  std::vector<Level> levels;  // graded lists (Tokushima)
  Applicability applies;
  std::string fee_code;  // applies only where this fee item is claimed
  Words hint;            // which register or reader could answer it, where nothing can yet
};

struct Framework {
  std::string id;
  Words title;
  Words source;  // issuer, date, number
  std::string edition;
  bool per_vendor = false;
  int level_wanted = 0;
  bool today = false;  // the Today page speaks of its items, where it applies
  Applicability applies;
  std::vector<Item> items;
  const Item* find(std::string_view id) const;
};

// A line of the Today page that counts records.
struct TodayLine {
  std::string name;      // texts: today.NAME, today.NAME.why
  int urgency = 0;       // 0 = most urgent
  std::string question;  // SELECT a number[, a day] …
  std::string link;
};

class Catalog {
 public:
  // data/controls/**.yaml, data/frameworks/*.yaml and data/today/*.yaml. Errors: base.yaml.bad with file and
  // line, also for an item that names an unknown control and for an id that stands twice.
  static Result<Catalog> load(const std::filesystem::path& data);

  const std::vector<Control>& controls() const { return controls_; }
  const std::vector<Framework>& frameworks() const { return frameworks_; }
  const std::vector<TodayLine>& today_lines() const { return today_lines_; }
  const Control* find_control(std::string_view id) const;
  const Framework* find_framework(std::string_view id) const;

 private:
  std::vector<Control> controls_;
  std::vector<Framework> frameworks_;
  std::vector<TodayLine> today_lines_;
};

}  // namespace mamori::catalog
