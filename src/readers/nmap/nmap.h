// Network scans: nmap's XML output (its DTD, version 1.05), from a file or from a run of our own.
#pragma once

#include <stop_token>

#include "readers/reading.h"

namespace mamori::readers::nmap {

// Hosts that answered, with address, MAC, name, maker, guessed OS and open ports, of one run or of several in
// one file (--append-output); masscan's are understood too. A host that nmap was told to take for present
// (-Pn) and that gave no answer is none. A run that ended by an error makes the reading partial. Entities are
// refused; so is a cut-off file: absent hosts would look like silent ones. Errors: collect.nmap.bad (fact:
// offset), collect.nmap.entities, collect.nmap.unfinished, collect.nmap.too-many.
Result<Reading> parse_xml(std::string_view xml);

struct Settings {
  std::vector<std::string> targets;  // addresses and CIDR ranges, only
  bool ports = true;                 // look at the most common 100 TCP ports; else only who answers
  std::chrono::seconds limit{900};
  std::stop_token stop = {};
};
// Runs nmap with polite timing (-T3) and no scripts. Errors: collect.nmap.missing, collect.nmap.target,
// collect.nmap.failed (fact: reason).
Result<Reading> scan(const Settings& settings);

}  // namespace mamori::readers::nmap
