// Lines with what is hard about lines: addresses, kana of both widths, other encodings, bytes that are no
// text, nothing, too much.
#pragma once

#include <string>
#include <vector>

namespace mamori::archive {

inline std::vector<std::string> samples() {
  return {
      "<34>1 2026-11-21T04:31:54.123Z gw sshd 1234 - - Failed password for root from 192.168.1.5 port 4022 "
      "ssh2",
      "<34>1 2026-11-21T04:31:55.999Z gw sshd 1235 - - Failed password for tanaka from 192.168.1.77 port "
      "4023 ssh2",
      "<34>1 2026-11-21T04:31:56.000Z gw sshd 1236 - - Accepted password for s10002 from 10.0.0.1 port 1 "
      "ssh2",
      "患者 ００１２３４ のカルテを田中太郎が参照しました",
      "ﾃｽﾄ端末からの接続 host=PC-0001.minato.example user=\"山田\"",
      std::string("binary \0\x11\x80\xff end", 15),
      "",
      "\x83\x4A\x83\x8B\x83\x65 CP932",   // カルテ
      "\xA5\xAB\xA5\xEB\xA5\xC6 EUC-JP",  // カルテ
      std::string(70000, 'a') + " long",
      "uuid 54849625-5478-4994-a5ba-3e3b0328c30d done."};
}

}  // namespace mamori::archive
