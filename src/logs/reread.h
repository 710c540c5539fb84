// The normalised view is made from the raw bytes, which are under the proofs; so it is proven by making it
// again. What people search and count is that view: whoever could empty a field unseen could hide an event.
#pragma once

#include "archive/archive.h"
#include "store/database.h"

namespace mamori::logs {

// Which version of the readers (formats/) makes the view from now on: written into the journal of the
// facility where it is not the one that is there. `since`: when this process began to read. A facility whose
// logs begin with this version has it from the beginning.
Status note_reader(store::Transaction& transaction, const std::string& facility, Instant since);

struct Reread {
  std::uint64_t agree = 0;
  // Their fields cannot be made again with certainty: an earlier version made them and this one would not
  // make the same, they came from a file whose heading named the columns, or they were refused as unreadable.
  std::uint64_t unproven = 0;
};
// Every event of the stream. `report` is told the event and the names of what is not as its raw bytes say.
// Not provable, since no message holds it: the address that a sender without a name came from.
// Errors: of the store and the archive.
Result<Reread> reread(store::Connection& connection, const archive::StreamName& name,
                      const archive::Stream& stream,
                      const std::function<void(proof::LeafIndex, const std::string& fields)>& report);

}  // namespace mamori::logs
