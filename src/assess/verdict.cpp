#include "assess/verdict.h"

#include <algorithm>

#include "base/result.h"

namespace mamori::assess {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::met: return "met";
    case Verdict::gap: return "gap";
    case Verdict::stale: return "stale";
    case Verdict::no_evidence: return "no_evidence";
    case Verdict::not_applicable: return "not_applicable";
  }
  MAMORI_UNREACHABLE();
}

std::string_view sign_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::met: return "○";
    case Verdict::gap: return "×";
    case Verdict::stale: return "△";
    case Verdict::no_evidence: return "？";
    case Verdict::not_applicable: return "－";
  }
  MAMORI_UNREACHABLE();
}

Verdict combine(const std::vector<Verdict>& verdicts) {
  const auto has = [&](Verdict verdict) {
    return std::find(verdicts.begin(), verdicts.end(), verdict) != verdicts.end();
  };
  if (has(Verdict::gap)) return Verdict::gap;
  if (has(Verdict::stale)) return Verdict::stale;
  if (has(Verdict::no_evidence)) return Verdict::no_evidence;
  if (has(Verdict::met)) return Verdict::met;
  return verdicts.empty() ? Verdict::no_evidence : Verdict::not_applicable;
}

}  // namespace mamori::assess
