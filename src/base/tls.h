// What our TLS doors agree on.
#pragma once

namespace mamori {

// Of TLS 1.2: only suites whose traffic stays closed to whoever gets the key later, and that authenticate
// what they encrypt (OpenSSL's names). Those of 1.3 are all such.
inline constexpr const char* kTlsSuites = "ECDHE+AESGCM:ECDHE+CHACHA20";

}  // namespace mamori
