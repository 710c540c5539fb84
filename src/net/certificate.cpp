#include "net/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "base/file.h"
#include "os/file.h"

namespace mamori::net {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

Result<Instant> certificate_end(const std::string& file) {
  const auto failed = [&](const char* reason) {
    return Error{ErrorKind::invalid, "http.listen.certificate", {{"file", file}, {"reason", reason}}};
  };
  const auto bytes = MAMORI_TRY(read_file(file, 1 << 20));
  const std::unique_ptr<BIO, Free> pem(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  const std::unique_ptr<X509, Free> certificate(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
  std::tm end{};
  if (!certificate) return failed("no certificate");
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) return failed("no end");
  return from_millis(static_cast<std::int64_t>(timegm(&end)) * 1000);
}

Status make_certificate(const std::string& certificate_file, const std::string& key_file,
                        const std::string& host, Instant now) {
  if (std::filesystem::exists(certificate_file) && std::filesystem::exists(key_file)) {
    const auto end = certificate_end(certificate_file);
    if (end && *end > now + std::chrono::days(30)) return {};
  }
  const Error failed{ErrorKind::internal, "http.certificate.failed"};
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> certificate(X509_new());
  if (!key || !certificate) return failed;
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set_uint64(
      X509_get_serialNumber(certificate.get()),
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
  auto from = static_cast<std::time_t>(to_millis(now) / 1000);
  X509_time_adj_ex(X509_getm_notBefore(certificate.get()), 0, -3600, &from);
  X509_time_adj_ex(X509_getm_notAfter(certificate.get()), 825, 0, &from);
  X509_set_pubkey(certificate.get(), key.get());
  auto* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("Mamori"), -1,
                             -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  std::string names = "DNS:localhost,IP:127.0.0.1";
  const bool address = host.find_first_not_of("0123456789.") == host.npos || host.find(':') != host.npos;
  if (!host.empty() && host != "0.0.0.0" && host != "::" && host != "127.0.0.1")
    names += (address ? ",IP:" : ",DNS:") + host;
  const std::unique_ptr<X509_EXTENSION, Free> alternatives(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
  if (!alternatives || X509_add_ext(certificate.get(), alternatives.get(), -1) != 1 ||
      X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0)
    return failed;
  const std::unique_ptr<BIO, Free> pem(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed;
  MAMORI_TRY(os::write_file(key_file, text_of(secret.get()), os::Visibility::owner_only));
  return os::write_file(certificate_file, text_of(pem.get()));
}

}  // namespace mamori::net
