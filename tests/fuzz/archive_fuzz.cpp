// The archive's own formats and its question language: any bytes are refused or read, never more; what is
// taken apart comes back.
#include <unistd.h>

#include "archive/cluster/clickhouse.h"
#include "archive/cluster/query_sql.h"
#include "archive/embedded/block.h"
#include "archive/embedded/log.h"
#include "archive/query.h"
#include "base/crypto.h"
#include "proof/head.h"
#include "proof/timestamp.h"

using namespace mamori;
using namespace mamori::archive;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  crypto_ready();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0: {
      if (const auto header = parse_header(bytes, 0)) MAMORI_ASSERT(header->info.count <= kBlockEvents);
      break;
    }
    case 1: {
      if (const auto events = decode_record(bytes))
        MAMORI_ASSERT(encode_record(*events).size() >= events->size());
      break;
    }
    case 2: {
      const auto middle = bytes.size() / 2;
      const auto text =
          archive::detail::Text::open(os::Bytes(std::string_view(bytes).substr(0, middle)),
                                      os::Bytes(std::string_view(bytes).substr(middle)), data[0]);
      std::string out;
      std::vector<std::size_t> ends;
      if (text) (void)text->put_together(out, ends).has_value();
      break;
    }
    case 3: {
      const auto query = parse_query(bytes);
      if (query && query->kind == Query::Kind::term) (void)query->term.in(searchable(bytes));
      break;
    }
    case 5: (void)check_stamp(bytes, "note", "").has_value(); break;
    case 6: {  // whatever is asked, the statement's quotes stay closed
      const auto query = parse_query(bytes);
      if (!query) break;
      const auto condition = condition_of(*query);
      bool inside = false;
      for (std::size_t i = 0; i < condition.size(); ++i) {
        if (inside && condition[i] == '\\')
          ++i;
        else if (condition[i] == '\'')
          inside = !inside;
        else if (!inside)
          MAMORI_ASSERT(static_cast<unsigned char>(condition[i]) < 0x80 && condition[i] != ';' &&
                        condition[i] != '-');
      }
      MAMORI_ASSERT(!inside);
      Rows rows(bytes);
      for (int i = 0; i < 1000 && rows.next(); ++i) (void)rows.text();
      break;
    }
    case 4: {
      if (const auto head = parse_head(bytes)) MAMORI_ASSERT(head->note == bytes);
      for (const auto& head : heads_in(bytes)) MAMORI_ASSERT(parse_head(head.note).has_value());
      break;
    }
    default: {  // events, cut at line ends: byte for byte back
      std::vector<Event> events;
      std::string_view rest = bytes;
      while (!rest.empty() && events.size() < 300) {
        const auto end = rest.find('\n');
        Event event;
        event.raw = rest.substr(0, end);
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
        events.push_back(event);
      }
      archive::detail::WordSet words;
      auto parts = archive::detail::take_apart(events, words);
      const auto text =
          archive::detail::Text::open(os::Bytes(parts.shapes), os::Bytes(parts.variables), events.size());
      MAMORI_ASSERT(text.has_value());
      for (std::size_t i = 0; i < events.size(); ++i) MAMORI_ASSERT(*text->raw(i) == events[i].raw);
    }
  }
  return 0;
}
