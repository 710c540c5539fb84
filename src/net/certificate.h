// The certificate that we make for ourselves, so that everything speaks TLS from the first day.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"

namespace mamori::net {

// Until when the certificate in `file` (PEM) is good. Error: http.listen.certificate (facts: file, reason).
Result<Instant> certificate_end(const std::string& file);
// A self-signed certificate (EC P-256, 825 days, for localhost and `host`) made where the files do not exist
// yet, or made anew where it ends within a month of `now`.
Status make_certificate(const std::string& certificate_file, const std::string& key_file,
                        const std::string& host, Instant now);

}  // namespace mamori::net
