#include "readers/ldap/entry.h"

// What was read, written and read again has as many entries; facts can be drawn from anything.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto directory = mamori::readers::ldap::parse_ldif({reinterpret_cast<const char*>(data), size});
  if (!directory) return 0;
  static_cast<void>(mamori::readers::ldap::interpret(*directory, {"admins"}));
  const auto again = mamori::readers::ldap::parse_ldif(mamori::readers::ldap::write_ldif(*directory));
  MAMORI_ASSERT(again && again->entries.size() == directory->entries.size());
  return 0;
}
