"""Answers that never change, whatever the modem's state. No code here."""

# Exact commands with one fixed answer (None: the answer is only OK).
FIXED = {
    "": None,
    "I": "pmos handset modem\r\nrevision 1",
    "+CGMI": "pmos",
    "+CGMM": "handset modem",
    "+CGMR": "1",
    "+CGSN": "490154203237518",
    "+GMI": "pmos",
    "+GMM": "handset modem",
    "+GMR": "1",
    "+GSN": "490154203237518",
    "+GCAP": "+GCAP: +CGSM",
    "+CLAC": "+CGMI\r\n+CGMM\r\n+CGSN",
    "+CFUN=?": "+CFUN: (0,1,4),(0,1)",
    "+CBC": "+CBC: 0,90",
    "+WS46=?": "+WS46: (12,22,25,28,29,30,31)",
    "+WS46?": "+WS46: 25",
    "+COPS=?": '+COPS: (2,"TestNet","TestNet","00101",7),,(0-4),(0-2)',
    "+CREG=?": "+CREG: (0-2)",
    "+CGREG=?": "+CGREG: (0-2)",
    "+CEREG=?": "+CEREG: (0-2)",
    "+CGATT?": "+CGATT: 1",
    "+CGACT?": "+CGACT: 1,0",
    "+CGDCONT=?": '+CGDCONT: (1-16),"IP",,,(0-2),(0-4)\r\n+CGDCONT: (1-16),"IPV6",,,(0-2),(0-4)',
    "+CMGF=?": "+CMGF: (0)",
    "+CMGF?": "+CMGF: 0",
    "+CSMS=?": "+CSMS: (0,1)",
    "+CSMS?": "+CSMS: 0,1,1,1",
    "+CSMS=0": "+CSMS: 1,1,1",
    "+CSMS=1": "+CSMS: 1,1,1",
    "+CNMI=?": "+CNMI: (0-2),(0-1),(0),(0-1),(0,1)",
    "+CMGL=?": "+CMGL: (0-4)",
    "+CMGW=?": None,
    "+CPMS=?": '+CPMS: ("ME"),("ME"),("ME")',
    "+CSCS=?": '+CSCS: ("IRA","GSM","UCS2")',
    "+CSCS?": '+CSCS: "GSM"',
    "+CIND=?": '+CIND: ("battchg",(0-5)),("signal",(0-5)),("service",(0-1)),("call",(0-1)),'
    '("roam",(0-1)),("smsfull",(0-1))',
    "+CIND?": "+CIND: 5,4,1,0,0,0",
    "+CMER=?": "+CMER: (0-3),(0),(0),(0-1),(0)",
    "+CHLD=?": "+CHLD: (0,1,1x,2)",
    "+CLCC=?": None,
    "+VTS=?": "+VTS: (0-9,*,#,A-D)",
    "+CLIP?": "+CLIP: 1,1",
    "+CPBS=?": '+CPBS: ("SM")',
    "+CRC=?": "+CRC: (0,1)",
    "+CUSD=?": "+CUSD: (0-2)",
    "+CCWA=?": "+CCWA: (0,1)",
    "+SIMSTATE?": "+SIMSTATE: 1",
}

# Those that the SIM gives, and that nobody has without it.
OF_THE_SIM = {
    "+CIMI": "001010123456789",
    "+CNUM": '+CNUM: "","+15551234",145',
    "+CSCA?": '+CSCA: "+15550000",145',
}

# SIM files by number (3GPP 31.102): ICCID, AD, SPN, ...
SIM_FILES = {
    "12258": "980110325476981032F4",
    "28589": "00000002",
    "28486": "00546573744E6574FFFFFFFFFFFFFFFFFF",
    "28421": "FFFFFFFF",
    "12037": "656E",
    "28613": "FF",
    "28439": "0000000000",
}

# Settings that a driver makes and that change nothing here.
ACCEPTED = (
    r"[EQVXZ&]|\+(CMEE|COPS|CMGF|CSCS|CSCA|CMER|CIND|CLIP|CRC|CSSN|CCWA|COLP|CGATT"
    r"|CGEREP|CTZU|CTZR|CPBS|CUSD|WS46|CVHU|CSDH|CGEQREQ|CGAUTH|CCLK|CMOD|IPR|IFC|ICF|CSTA|CBST"
    r"|CMUT|CLVL|CHLD=3)(?![A-Z])"
)
