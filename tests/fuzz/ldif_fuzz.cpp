#include "readers/ldap/entry.h"

// What was read, written and read again has as many entries, and says the same of every account.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace mamori::readers;
  const auto directory = ldap::parse_ldif({reinterpret_cast<const char*>(data), size});
  if (!directory) return 0;
  const auto now = mamori::from_millis(1795000000000);
  const auto facts = ldap::interpret(*directory, {"admins"}, now);
  const auto again = ldap::parse_ldif(ldap::write_ldif(*directory));
  MAMORI_ASSERT(again && again->entries.size() == directory->entries.size());
  MAMORI_ASSERT(ldap::interpret(*again, {"admins"}, now)[0].facts.size() == facts[0].facts.size());
  return 0;
}
