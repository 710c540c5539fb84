#include "readers/nmap/nmap.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <pugixml.hpp>
#include <set>

#include "base/text.h"
#include "os/process.h"

namespace mamori::readers::nmap {
namespace {

constexpr std::size_t kMostHosts = 200'000;
constexpr std::size_t kMostPorts = 2'000;
// Services that carry passwords in the clear or give away the screen: they need a reason to stand open in a
// hospital.
const std::set<int> kRisky = {21, 23, 69, 512, 513, 514, 3389, 5900, 5901};

bool is_target(const std::string& text) {
  const auto slash = text.find('/');
  unsigned char buffer[16];
  const auto address = text.substr(0, slash);
  if (inet_pton(AF_INET, address.c_str(), buffer) != 1 && inet_pton(AF_INET6, address.c_str(), buffer) != 1)
    return false;
  if (slash == text.npos) return true;
  const auto bits = text.substr(slash + 1);
  return !bits.empty() && bits.size() <= 3 && bits.find_first_not_of("0123456789") == bits.npos;
}

json::object host_fact(const pugi::xml_node& host) {
  json::object fact;
  for (const auto address : host.children("address")) {
    const std::string_view type = address.attribute("addrtype").as_string();
    const std::string value = address.attribute("addr").as_string();
    if (type == "mac") {
      std::string upper;
      for (const char c : value) upper += c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
      fact["mac"] = upper;
      if (const std::string maker = address.attribute("vendor").as_string(); !maker.empty())
        fact["maker"] = std::string(head(maker, 200));
    } else if (type == "ipv4" || (type == "ipv6" && !fact.contains("ip"))) {
      fact["ip"] = value;
    }
  }
  if (const std::string name = host.child("hostnames").child("hostname").attribute("name").as_string();
      !name.empty())
    fact["hostname"] = std::string(head(name, 200));
  if (const std::string os = host.child("os").child("osmatch").attribute("name").as_string(); !os.empty())
    fact["os"] = std::string(head(os, 200));
  std::string open, risky;
  std::int64_t count = 0;
  for (const auto port : host.child("ports").children("port")) {
    if (std::string_view(port.child("state").attribute("state").as_string()) != "open") continue;
    if (++count > static_cast<std::int64_t>(kMostPorts)) break;
    const int number = port.attribute("portid").as_int();
    const auto service = port.child("service");
    const auto entry = fmt::format("{}/{}", number, service.attribute("name").as_string("?"));
    open += (open.empty() ? "" : ", ") + entry;
    if (kRisky.contains(number)) risky += (risky.empty() ? "" : ", ") + entry;
  }
  fact["open_count"] = count;
  if (!open.empty()) fact["open_ports"] = std::string(head(open, 4000));
  if (!risky.empty()) fact["risky_ports"] = std::string(head(risky, 500));
  return fact;
}

}  // namespace

Result<Reading> parse_xml(std::string_view xml) {
  if (xml.find("<!ENTITY") != xml.npos) return Error{ErrorKind::invalid, "collect.nmap.entities"};
  if (!is_utf8(xml)) return Error{ErrorKind::invalid, "collect.nmap.bad", {{"offset", "0"}}};
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size());
  const auto root = document.child("nmaprun");
  if (!root)
    return Error{ErrorKind::invalid, "collect.nmap.bad", {{"offset", std::to_string(parsed.offset)}}};
  if (!parsed || !root.child("runstats").child("finished"))
    return Error{ErrorKind::invalid, "collect.nmap.unfinished"};
  FactSet hosts{"observed_host", {}};
  for (const auto host : root.children("host")) {
    if (std::string_view(host.child("status").attribute("state").as_string()) != "up") continue;
    auto fact = host_fact(host);
    if (!fact.contains("ip")) continue;
    if (hosts.facts.size() == kMostHosts) return Error{ErrorKind::exhausted, "collect.nmap.too-many"};
    hosts.facts.push_back(std::move(fact));
  }
  Reading reading;
  reading.sets.push_back(std::move(hosts));
  reading.raw = xml;
  reading.raw_kind = "xml";
  return reading;
}

Result<Reading> scan(const Settings& settings) {
  std::vector<std::string> words = {"nmap", "-oX", "-", "-T3", "-n", "--noninteractive"};
  if (settings.ports)
    words.insert(words.end(), {"--top-ports", "100"});
  else
    words.push_back("-sn");
  if (settings.targets.empty()) return Error{ErrorKind::invalid, "collect.nmap.target", {{"target", ""}}};
  for (const auto& target : settings.targets) {
    if (!is_target(target))
      return Error{
          ErrorKind::invalid, "collect.nmap.target", {{"target", target}}};  // never an option, never a name
    words.push_back(target);
  }
  const auto run = os::run_process(words, {.limit = settings.limit, .stop = settings.stop});
  if (!run)
    return run.error().code == "base.process.missing" ? Error{ErrorKind::unavailable, "collect.nmap.missing"}
                                                      : run.error();
  if (run->exit_code != 0)
    return Error{ErrorKind::unavailable,
                 "collect.nmap.failed",
                 {{"reason", std::string(head(is_utf8(run->err) ? trim(run->err) : "", 300))}}};
  return parse_xml(run->out);
}

}  // namespace mamori::readers::nmap
