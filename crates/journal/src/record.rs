//! The effects of one command or one transaction, encoded before the journal's lock is taken.

/// Effects that enter the journal together. More than one is wrapped in MULTI and EXEC.
#[derive(Default)]
pub struct Unit {
    bytes: Vec<u8>,
    /// Database and end of each effect.
    effects: Vec<(usize, usize)>,
    /// See [`Unit::loosen`].
    loose: bool,
}

impl Unit {
    /// Whether there is no effect.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Adds a command.
    pub fn push<A: AsRef<[u8]>>(&mut self, db: usize, argv: &[A]) {
        encode(&mut self.bytes, argv);
        self.effects.push((db, self.bytes.len()));
    }

    /// The effects need not enter the journal as one: none has to do with the others.
    pub fn loosen(&mut self) {
        self.loose = true;
    }

    /// Forgets everything, keeping a buffer of moderate size.
    #[inline]
    pub fn clear(&mut self) {
        if self.is_empty() {
            self.loose = false;
            return;
        }
        self.bytes.clear();
        self.bytes.shrink_to(64 << 10);
        self.effects.clear();
        self.loose = false;
    }

    /// Writes the unit, with a SELECT wherever the database differs from `last_db`.
    pub fn write(&self, last_db: &mut Option<usize>, mut put: impl FnMut(&[u8])) {
        let several = self.effects.len() > 1 && !self.loose;
        let mut from = 0;
        for (i, &(db, end)) in self.effects.iter().enumerate() {
            if several && i == 0 {
                put(&command(&["MULTI"]));
            }
            if *last_db != Some(db) {
                put(&command(&["SELECT", &db.to_string()]));
                *last_db = Some(db);
            }
            put(&self.bytes[from..end]);
            from = end;
        }
        if several {
            put(&command(&["EXEC"]));
        }
    }
}

/// A command as a request.
pub fn command<A: AsRef<[u8]>>(argv: &[A]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, argv);
    out
}

fn encode<A: AsRef<[u8]>>(out: &mut Vec<u8>, argv: &[A]) {
    header(out, b'*', argv.len());
    for arg in argv {
        let arg = arg.as_ref();
        header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn header(out: &mut Vec<u8>, kind: u8, mut number: usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}
