// Signed heads: of what is kept, for whoever will ask whether it is still the same.
#include "base/log.h"
#include "logs/failures.h"
#include "logs/keeping.h"
#include "logs/recorded.h"

namespace mamori::logs {

void Keeping::witness(WitnessOptions options, const Texts& texts, std::string language) {
  witness_.emplace(ledger_.database(), std::move(options));
  texts_ = &texts;
  language_ = std::move(language);
}

Status Keeping::publish_head(const archive::StreamName& name) {
  if (archive_.read_only()) return {};
  auto* stream = MAMORI_TRY(archive_.stream(name));
  if (!stream->writes() || stream->size() == 0) return {};
  const auto head = MAMORI_TRY(stream->publish_head());
  // So that a stream that is gone, or another, will be missed. A share or an authority that is away must not
  // keep that from being noted.
  Failures failures;
  const auto still_holds = [&](const RecordedHead& noted) { return !deviation(noted, stream); };
  failures.add("heads", record_heads(ledger_.database(), {{name, head}}, still_holds, reading_since_));
  if (witness_) failures.add("witness", witness_->keep(name, head));
  return failures.status();
}

Status Keeping::publish_heads() {
  Failures failures;
  for (const auto& name : MAMORI_TRY(archive_.names())) failures.add(label_of(name), publish_head(name));
  return failures.status();
}

Result<std::optional<proof::TimeStamp>> Keeping::stamp(const archive::StreamName& name,
                                                       const proof::Head& head) {
  if (witness_ && !archive_.read_only())
    if (const auto kept = witness_->keep(name, head); !kept) log::error("witness: " + describe(kept.error()));
  return stamp_of(ledger_.database(), name, head);
}

Status Keeping::mail_heads() {
  if (!witness_ || archive_.read_only()) return {};
  Failures failures;
  std::vector<std::pair<archive::StreamName, proof::Head>> heads;
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    const auto stream = archive_.stream(name);
    if (!stream) {
      failures.add(label_of(name), stream.error());
      continue;
    }
    const auto signed_heads = (*stream)->heads();
    if ((*stream)->writes() && !signed_heads.empty()) heads.emplace_back(name, signed_heads.back());
  }
  failures.add("mail", witness_->mail(heads, *texts_, language_, ledger_.database().clock().now()));
  return failures.status();
}

Result<std::vector<NewestHead>> Keeping::newest_heads(const std::string& facility) {
  std::vector<NewestHead> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facility))) {
    const auto stream = archive_.stream(name);
    const auto heads = stream ? (*stream)->heads() : std::vector<proof::Head>();
    if (heads.empty()) continue;
    auto stamp = MAMORI_TRY(stamp_kept(name, heads.back()));
    out.push_back({name, heads.back(), std::move(stamp)});
  }
  return out;
}

}  // namespace mamori::logs
