"""The most common passwords that meet the minimum length, in lower case; they are refused."""

from __future__ import annotations

_PASSWORDS = """
    1234567890 0123456789 12345678910 123456789a 1234567891 0987654321 1122334455 123123123123
    9876543210 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc qwertyuiop qwertyuiop123 qwerty1234
    qwerty12345 qwerty123456 qwertyuiop1 asdfghjkl1 asdfghjkl123 zxcvbnm123 qazwsxedcr qazwsxedc1
    q1w2e3r4t5 q1w2e3r4t5y6 abcdefghij abcdefghijk abcd123456 abc123456789 abc1234567 a123456789
    aa12345678 aa123456789 asd123456789 password12 password123 password1234 password12345
    passw0rd123 p@ssw0rd123 p@ssword123 passwordpassword mypassword mypassword1 mypassword123
    newpassword newpassword1 changeme123 changeme1234 change-me-now letmein123 letmein1234
    welcome123 welcome1234 welcome2024 welcome2025 welcome2026 iloveyou12 iloveyou123 iloveyou1234
    iloveyou11 administrator administrator1 adminadmin admin12345 admin123456 admin1234567
    rootrootroot superman123 batman12345 football123 baseball123 basketball princess123
    sunshine123 dragon12345 monkey12345 master12345 michael123 trustno1trustno1 starwars123
    pokemon123 whatever123 computer123 internet123 secret12345 default123 default1234 liverpool1
    liverpool123 manchester manchester1 chelsea123 arsenal123 barcelona1 juventus123 realmadrid1
    woaini1314 woaini1314520 5201314520 1314520520 147258369a 1472583690 789456123a 7894561230
    test123456 test1234567 testtest123 guest12345 user123456 unknown123 samsung123 google12345
    facebook123 correcthorsebatterystaple
"""

COMMON = frozenset([*_PASSWORDS.split(), "correct horse battery staple"])
