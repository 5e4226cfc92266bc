//! Secrets and personal data in the formats of their issuers, made when a test runs: none of them stands in a file.

/// Numbers that look random, the same in every run.
pub(crate) struct Dice(u64);

/// One secret and a text around it.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    /// The detector that has to find it.
    pub(crate) detector: &'static str,
    /// What must not be seen any more.
    pub(crate) secret: String,
    /// A text that holds it.
    pub(crate) text: String,
}

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }

    /// So many characters of an alphabet; the first and the last are letters or digits.
    pub(crate) fn text(&mut self, alphabet: &str, length: usize) -> String {
        let all: Vec<char> = alphabet.chars().collect();
        let plain: Vec<char> = all.iter().copied().filter(char::is_ascii_alphanumeric).collect();
        (0..length)
            .map(|at| if at == 0 || at + 1 == length { &plain } else { &all })
            .map(|of| of[self.below(of.len())])
            .collect()
    }
}

/// Everything that has to be found, in texts as tools give them.
pub(crate) fn corpus(seed: u64) -> Vec<Planted> {
    let mut dice = Dice::new(seed);
    let mut all = secrets(&mut dice);
    all.extend(assigned(&mut dice));
    all.extend(personal(&mut dice));
    all
}

/// What is known by its own form: bare, in a sentence, in JSON, in a shell line.
fn secrets(dice: &mut Dice) -> Vec<Planted> {
    let mut all = Vec::new();
    let mut add = |detector: &'static str, secret: String| {
        let line = all.len();
        let text = match line % 4 {
            0 => format!("line {line}: {secret}"),
            1 => format!("{{\"id\": {line}, \"value\": \"{secret}\", \"ok\": true}}"),
            2 => format!("export VALUE={secret}\necho done"),
            _ => format!("use ({secret}), then wait."),
        };
        all.push(Planted { detector, secret, text });
    };
    // The beginnings are cut in two, so that nobody who scans this file takes them for secrets.
    let join = |parts: &[&str]| parts.concat();
    for prefix in [["AK", "IA"], ["AS", "IA"]] {
        add("aws-access-key-id", join(&prefix) + &dice.text(BASE32, 16));
    }
    add("gcp-api-key", join(&["AI", "za"]) + &dice.text(URL, 35));
    add("gcp-oauth", join(&["ya", "29."]) + &dice.text(URL, 120));
    add("gcp-oauth", join(&["GOC", "SPX-"]) + &dice.text(URL, 28));
    add("azure-client-secret", dice.text(ALNUM, 3) + &join(&["8", "Q~"]) + &dice.text(URL, 34));
    for prefix in ["p", "o", "u", "s", "r"] {
        add("github-token", join(&["gh", prefix, "_"]) + &dice.text(ALNUM, 36));
    }
    add("github-token", join(&["github_", "pat_"]) + &dice.text(ALNUM, 22) + "_" + &dice.text(ALNUM, 59));
    for prefix in ["pat", "dt", "rt", "ft"] {
        add("gitlab-token", join(&["gl", prefix, "-"]) + &dice.text(URL, 20));
    }
    add("bitbucket-token", join(&["AT", "BB"]) + &dice.text(ALNUM, 32));
    add("bitbucket-token", join(&["ATA", "TT3"]) + &dice.text(URL, 186));
    add("slack-token", join(&["xo", "xb-"]) + &dice.text(DIGITS, 12) + "-" + &dice.text(ALNUM, 24));
    add("slack-token", join(&["xo", "xp-"]) + &dice.text(DIGITS, 12) + "-" + &dice.text(HEX, 32));
    add(
        "slack-webhook",
        join(&["https://hooks.", "slack.com/services/T"])
            + &dice.text(UPPER, 8)
            + "/B"
            + &dice.text(UPPER, 8)
            + "/"
            + &dice.text(ALNUM, 24),
    );
    for prefix in ["sk", "rk"] {
        add("stripe-key", join(&[prefix, "_li", "ve_"]) + &dice.text(ALNUM, 24));
    }
    add("webhook-secret", join(&["wh", "sec_"]) + &dice.text(BASE64, 32));
    add("openai-key", join(&["sk-", "proj-"]) + &dice.text(URL, 74) + &join(&["T3Blbk", "FJ"]) + &dice.text(URL, 74));
    add("openai-key", join(&["s", "k-"]) + &dice.text(ALNUM, 20) + &join(&["T3Blbk", "FJ"]) + &dice.text(ALNUM, 20));
    add("anthropic-key", join(&["sk-", "ant-api03-"]) + &dice.text(URL, 93) + "AA");
    add("model-provider-key", join(&["h", "f_"]) + &dice.text(&(UPPER.to_owned() + LOWER), 34));
    add("npm-token", join(&["np", "m_"]) + &dice.text(ALNUM, 36));
    add("pypi-token", join(&["pypi-", "AgEIcHlwaS5vcmc"]) + &dice.text(URL, 130));
    add("registry-token", join(&["dckr_", "pat_"]) + &dice.text(URL, 27));
    add("twilio-key", join(&["S", "K"]) + &dice.text(HEX, 32));
    add("sendgrid-key", join(&["S", "G."]) + &dice.text(URL, 22) + "." + &dice.text(URL, 43));
    add("mail-provider-key", dice.text(HEX, 32) + &join(&["-u", "s14"]));
    add("payment-provider-key", join(&["shp", "at_"]) + &dice.text(HEX, 32));
    add("payment-provider-key", join(&["sq0", "csp-"]) + &dice.text(URL, 43));
    add("chat-bot-token", dice.text("123456789", 9) + &join(&[":", "AA"]) + &dice.text(URL, 33));
    add("infrastructure-token", join(&["dop", "_v1_"]) + &dice.text(HEX, 64));
    add("infrastructure-token", join(&["hv", "s."]) + &dice.text(URL, 95));
    add("infrastructure-token", join(&["da", "pi"]) + &dice.text(HEX, 32));
    add("observability-token", join(&["gl", "sa_"]) + &dice.text(ALNUM, 32) + "_" + &dice.text(HEX, 8));
    add("workplace-token", join(&["lin_", "api_"]) + &dice.text(ALNUM, 40));
    add("workplace-token", join(&["PM", "AK-"]) + &dice.text(HEX, 24) + "-" + &dice.text(HEX, 34));
    add("age-key", join(&["AGE-SECRET", "-KEY-1"]) + &dice.text(&(UPPER.to_owned() + DIGITS), 58));
    add("callgate-token", join(&["cg", "_"]) + &dice.text(ALNUM, 43));
    add("jwt", jwt(dice));
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        add("private-key", pem(dice, kind));
    }
    all
}

/// What is known by the name that it is assigned to, or by the place that it stands in.
fn assigned(dice: &mut Dice) -> Vec<Planted> {
    let aws = dice.text(BASE64, 40);
    let session = dice.text(BASE64, 300);
    let account = dice.text(BASE64, 86) + "==";
    let signature = dice.text(ALNUM, 43) + "%3D";
    let plain: Vec<String> = (0..8).map(|_| random_looking(dice)).collect();
    let bearer = dice.text(ALNUM, 40);
    [
        ("aws-secret-access-key", aws.clone(), format!("\"SecretAccessKey\": \"{aws}\",")),
        ("aws-secret-access-key", aws.clone(), format!("aws_secret_access_key = {aws}\n")),
        ("aws-session-token", session.clone(), format!("AWS_SESSION_TOKEN={session}")),
        ("azure-storage-key", account.clone(), format!("AccountName=x;AccountKey={account};EndpointSuffix=core")),
        ("azure-sas", signature.clone(), format!("https://x.blob.core.windows.net/c?sv=2024&sp=r&sig={signature}")),
        ("connection-string", plain[0].clone(), format!("postgres://app:{}@db.internal:5432/app", plain[0])),
        ("connection-string", plain[1].clone(), format!("redis://:{}@cache:6379/0", plain[1])),
        ("connection-string", plain[2].clone(), format!("Server=db;Database=a;User Id=sa;Password={};", plain[2])),
        ("authorization-header", bearer.clone(), format!("> Authorization: Bearer {bearer}\r\n> Accept: */*")),
        ("authorization-header", bearer.clone(), format!("curl -H 'x-api-key: {bearer}' https://x")),
        ("generic-secret", plain[3].clone(), format!("password: {}\n", plain[3])),
        ("generic-secret", plain[4].clone(), format!("{{\"client_secret\": \"{}\"}}", plain[4])),
        ("generic-secret", plain[5].clone(), format!("const API_KEY = '{}';", plain[5])),
        ("generic-secret", plain[6].clone(), format!("GRAFANA_ADMIN_PASSWORD={}", plain[6])),
        ("generic-secret", plain[7].clone(), format!("accessToken => \"{}\"", plain[7])),
    ]
    .into_iter()
    .map(|(detector, secret, text)| Planted { detector, secret, text })
    .collect()
}

fn personal(dice: &mut Dice) -> Vec<Planted> {
    let mut all = Vec::new();
    let mut add = |detector: &'static str, secret: &str| {
        let text = format!("customer 17: {secret}, since 2019");
        all.push(Planted { detector, secret: secret.to_owned(), text });
    };
    for address in ["jane.doe@acme.io", "x+tag@mail.sub.example.co.uk"] {
        add("email", address);
    }
    for (prefix, length) in [("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3530", 16), ("62", 17)] {
        let number = card(dice, prefix, length);
        add("payment-card", &number);
        let grouped: Vec<&str> = number.as_bytes().chunks(4).map(|part| std::str::from_utf8(part).unwrap()).collect();
        add("payment-card", &grouped.join(" "));
        add("payment-card", &grouped.join("-"));
    }
    for (country, body) in [("DE", 18), ("GB", 0), ("FR", 23), ("NL", 0), ("CH", 17)] {
        let body = match country {
            "GB" => dice.text(UPPER, 4) + &dice.text(DIGITS, 14),
            "NL" => dice.text(UPPER, 4) + &dice.text(DIGITS, 10),
            _ => dice.text(DIGITS, body),
        };
        let number = iban(country, &body);
        add("iban", &number);
        let grouped: Vec<&str> = number.as_bytes().chunks(4).map(|part| std::str::from_utf8(part).unwrap()).collect();
        add("iban", &grouped.join(" "));
    }
    for number in ["+49 30 901820", "+1 (415) 555-2671", "+442071838750", "(212) 555-0187", "415-555-2671"] {
        add("phone", number);
    }
    for number in ["123-45-6789", "536-22-8145"] {
        add("us-ssn", number);
    }
    for address in ["93.184.216.34", "151.101.1.69", "2606:4700:4700::1111"] {
        add("ip-address", address);
    }
    all
}

/// A value that nobody would say aloud.
fn random_looking(dice: &mut Dice) -> String {
    dice.text(LOWER, 3)
        + &dice.text(DIGITS, 2)
        + &dice.text(UPPER, 3)
        + &dice.text(DIGITS, 3)
        + &dice.text(ALNUM, 11)
        + "7q"
}

fn pem(dice: &mut Dice, kind: &str) -> String {
    let mut text = ["-----BEGIN ", kind, "PRIVATE", " KEY-----\n"].concat();
    for _ in 0..12 {
        text.push_str(&dice.text(BASE64, 64));
        text.push('\n');
    }
    text + &[&dice.text(BASE64, 30), "==\n-----END ", kind, "PRIVATE", " KEY-----"].concat()
}

fn jwt(dice: &mut Dice) -> String {
    // {"alg":"HS256","typ":"JWT"} and {"sub":"1234567890"}
    ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", ".", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "."].concat() + &dice.text(URL, 43)
}

/// A number with this beginning and the right check digit.
pub(crate) fn card(dice: &mut Dice, prefix: &str, length: usize) -> String {
    let number = prefix.to_owned() + &dice.text(DIGITS, length - prefix.len() - 1);
    let sum: u32 = number
        .chars()
        .rev()
        .enumerate()
        .map(|(at, c)| (c.to_digit(10).unwrap(), at % 2 == 0))
        .map(|(digit, doubled)| if doubled { digit * 2 - if digit > 4 { 9 } else { 0 } } else { digit })
        .sum();
    number + &((10 - sum % 10) % 10).to_string()
}

fn iban(country: &str, body: &str) -> String {
    let rest = format!("{body}{country}00").chars().fold(0, |rest: u32, c| {
        let value = c.to_digit(36).unwrap();
        (rest * if value > 9 { 100 } else { 10 } + value) % 97
    });
    format!("{country}{:02}{body}", 98 - rest)
}
