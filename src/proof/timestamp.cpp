#include "proof/timestamp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ts.h>

#include <ctime>
#include <memory>

#include "net/web_client.h"

namespace mamori::proof {
namespace {

struct Free {
  void operator()(TS_REQ* p) const { TS_REQ_free(p); }
  void operator()(TS_RESP* p) const { TS_RESP_free(p); }
  void operator()(TS_MSG_IMPRINT* p) const { TS_MSG_IMPRINT_free(p); }
  void operator()(TS_VERIFY_CTX* p) const { TS_VERIFY_CTX_free(p); }
  void operator()(X509_ALGOR* p) const { X509_ALGOR_free(p); }
  void operator()(ASN1_INTEGER* p) const { ASN1_INTEGER_free(p); }
  void operator()(unsigned char* p) const { OPENSSL_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

constexpr std::size_t kLargestToken = 64 << 10;

Error bad(std::string reason) {
  return {ErrorKind::corrupt, "archive.stamp.bad", {{"reason", std::move(reason)}}};
}

std::string openssl_reason() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = ERR_reason_error_string(code);
  return text ? text : "unknown";
}

std::string digest_of(const std::string& note) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(note.data()), note.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

Result<std::string> request_of(const std::string& note) {
  const Owned<TS_REQ> request(TS_REQ_new());
  const Owned<TS_MSG_IMPRINT> imprint(TS_MSG_IMPRINT_new());
  const Owned<X509_ALGOR> algorithm(X509_ALGOR_new());
  const Owned<ASN1_INTEGER> nonce(ASN1_INTEGER_new());
  auto digest = digest_of(note);
  const auto random = random_bytes(8);
  std::uint64_t number = 0;
  for (const char c : random) number = number << 8 | static_cast<unsigned char>(c);
  if (!request || !imprint || !algorithm || !nonce ||
      X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nullptr) != 1 ||
      TS_MSG_IMPRINT_set_algo(imprint.get(), algorithm.get()) != 1 ||
      TS_MSG_IMPRINT_set_msg(imprint.get(), reinterpret_cast<unsigned char*>(digest.data()),
                             static_cast<int>(digest.size())) != 1 ||
      TS_REQ_set_version(request.get(), 1) != 1 ||
      TS_REQ_set_msg_imprint(request.get(), imprint.get()) != 1 ||
      ASN1_INTEGER_set_uint64(nonce.get(), number >> 1) != 1 ||
      TS_REQ_set_nonce(request.get(), nonce.get()) != 1 || TS_REQ_set_cert_req(request.get(), 1) != 1)
    return bad(openssl_reason());
  unsigned char* bytes = nullptr;
  const int size = i2d_TS_REQ(request.get(), &bytes);
  const Owned<unsigned char> held(bytes);
  if (size <= 0) return bad(openssl_reason());
  return std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Owned<TS_RESP> parse(const std::string& token) {
  if (token.size() > kLargestToken) return nullptr;
  const auto* from = reinterpret_cast<const unsigned char*>(token.data());
  return Owned<TS_RESP>(d2i_TS_RESP(nullptr, &from, static_cast<long>(token.size())));
}

}  // namespace

Result<TimeStamp> check_stamp(const std::string& token, const std::string& note,
                              const std::string& authority_file) {
  const auto response = parse(token);
  auto* info = response ? TS_RESP_get_tst_info(response.get()) : nullptr;
  if (!info) return bad(response ? "status" : "form");
  const auto digest = digest_of(note);
  auto* imprint = TS_TST_INFO_get_msg_imprint(info);
  const auto* said = imprint ? TS_MSG_IMPRINT_get_msg(imprint) : nullptr;
  if (!said || std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(said)),
                                static_cast<std::size_t>(ASN1_STRING_length(said))) != digest)
    return bad("imprint");
  if (!authority_file.empty()) {
    const Owned<TS_VERIFY_CTX> context(TS_VERIFY_CTX_new());
    auto* store = X509_STORE_new();  // the context's from here on
    if (!context || !store || X509_STORE_load_file(store, authority_file.c_str()) != 1) {
      X509_STORE_free(store);
      return bad("authority: " + openssl_reason());
    }
    TS_VERIFY_CTX_set_flags(context.get(), TS_VFY_VERSION | TS_VFY_DATA | TS_VFY_SIGNATURE);
    TS_VERIFY_CTX_set_store(context.get(), store);
    TS_VERIFY_CTX_set_data(context.get(), BIO_new_mem_buf(note.data(), static_cast<int>(note.size())));
    if (TS_RESP_verify_response(context.get(), response.get()) != 1) return bad(openssl_reason());
  }
  TimeStamp out{token, {}, {}};
  std::tm time{};
  if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &time) != 1) return bad("time");
  out.at = from_millis(static_cast<std::int64_t>(::timegm(&time)) * 1000);
  if (const auto* name = TS_TST_INFO_get_tsa(info); name && name->type == GEN_DIRNAME) {
    char text[256] = "";
    X509_NAME_get_text_by_NID(name->d.directoryName, NID_commonName, text, sizeof text);
    out.authority = text;
  }
  return out;
}

Result<TimeStamp> ask_for_stamp(const std::string& url, const std::string& note,
                                const std::string& authority_file) {
  const auto request = MAMORI_TRY(request_of(note));
  net::WebRequest web;
  web.url = url;
  web.method = "POST";
  web.headers = {"Content-Type: application/timestamp-query", "Accept: application/timestamp-reply"};
  web.body = request;
  web.limit = std::chrono::seconds(30);
  web.largest_answer = kLargestToken;
  const auto answer = net::ask_web(web);
  if (!answer) return Error{ErrorKind::unavailable, "archive.stamp.unreachable", answer.error().facts};
  const auto response = answer->status == 200 ? parse(answer->body) : nullptr;
  if (!response)
    return Error{ErrorKind::unavailable,
                 "archive.stamp.refused",
                 {{"reason", "HTTP " + std::to_string(answer->status)}}};
  const auto status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(response.get())));
  if (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS)
    return Error{
        ErrorKind::unavailable, "archive.stamp.refused", {{"reason", "status " + std::to_string(status)}}};
  // The nonce of the question must be in the answer, or an old answer could be played again.
  const auto* from = reinterpret_cast<const unsigned char*>(request.data());
  const Owned<TS_REQ> asked(d2i_TS_REQ(nullptr, &from, static_cast<long>(request.size())));
  auto* info = TS_RESP_get_tst_info(response.get());
  const auto* nonce = info ? TS_TST_INFO_get_nonce(info) : nullptr;
  if (!asked || !nonce || ASN1_INTEGER_cmp(nonce, TS_REQ_get_nonce(asked.get())) != 0) return bad("nonce");
  return check_stamp(answer->body, note, authority_file);
}

}  // namespace mamori::proof
