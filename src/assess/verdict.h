// The answer of a control or an item.
#pragma once

#include <string_view>
#include <vector>

namespace mamori::assess {

enum class Verdict { met, gap, stale, no_evidence, not_applicable };
std::string_view name_of(Verdict verdict);
// ○ × △ ？ －: the same sign on screen, paper and command line.
std::string_view sign_of(Verdict verdict);
// Of several controls that must all hold: gap before stale before no_evidence before met; not_applicable
// counts only if all are.
Verdict combine(const std::vector<Verdict>& verdicts);

}  // namespace mamori::assess
