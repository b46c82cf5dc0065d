# params.awk - from conf/params.tsv make what is compiled and what is read
#
#   awk -f params.awk -v out=h|c|man params.tsv
#
# POSIX awk, run with LC_ALL=C: lengths must count bytes. A faulty row ends it with file and line.

function fail(text) {
	printf "%s:%d: %s\n", FILENAME, FNR, text > "/dev/stderr"
	failed = 1
	exit 1
}

function add(name, type, def, range, state, readers, help) {
	if (name in type_of)
		return
	if (name !~ /^[A-Za-z0-9_]+$/)
		fail("bad name: " name)
	if (index(" string raw list bool int size time enum path ", " " type " ") == 0)
		fail(name ": unknown type: " type)
	if (index(" used known missed none ", " " state " ") == 0)
		fail(name ": unknown state: " state)
	if (help == "")
		fail(name ": no explanation")
	if (type == "enum" && range == "")
		fail(name ": an enum needs its words")
	names[count++] = name
	type_of[name] = type
	default_of[name] = def
	range_of[name] = range
	state_of[name] = state
	readers_of[name] = readers
	help_of[name] = help
}

# The default of a per-transport row is one "$name": where the value comes from if nobody sets it.
function add_template(name, type, def, range, state, readers, help,   prefix, suffix, i) {
	prefix = name
	sub(/>_.*/, "", prefix)
	sub(/^</, "", prefix)
	suffix = name
	sub(/^<[a-z]*>/, "", suffix)
	if (def !~ /^\$[a-z_]+$/)
		fail(name ": the default must be one $name")
	if (prefix == "pipe")
		prefix = "transport"
	template_suffix[templates] = suffix
	template_name[templates++] = prefix suffix
	shown_as[prefix suffix] = name
	add(prefix suffix, type, def, range, state, readers, help)
	if (name ~ /^<transport>/)
		for (i = 1; i <= transports; i++) {
			wanted[wanted_count] = transport[i] suffix
			wanted_row[wanted_count++] = prefix suffix
		}
}

# Instances that no row of their own declares.
function add_instances(   i, n, t) {
	for (i = 0; i < wanted_count; i++) {
		n = wanted[i]
		t = wanted_row[i]
		if (!(n in type_of))
			instance[n] = 1
		add(n, type_of[t], default_of[t], range_of[t], state_of[t], readers_of[t], help_of[t])
	}
}

function sort_names(low, high,   i, j, pivot, swap) {
	if (low >= high)
		return
	i = low
	j = high
	pivot = names[int((low + high) / 2)]
	while (i <= j) {
		while (names[i] < pivot)
			i++
		while (names[j] > pivot)
			j--
		if (i <= j) {
			swap = names[i]
			names[i++] = names[j]
			names[j--] = swap
		}
	}
	sort_names(low, j)
	sort_names(i, high)
}

# S with every letter OLD replaced by NEW. Not gsub(): awks differ on backslashes in its replacement.
function replace(s, old, new,   at, done) {
	done = ""
	while ((at = index(s, old)) > 0) {
		done = done substr(s, 1, at - 1) new
		s = substr(s, at + 1)
	}
	return done s
}

function c_literal(s) {
	return "\"" replace(replace(s, "\\", "\\\\"), "\"", "\\\"") "\\0\""
}

# Appends S to the pool of texts; sets place to its offset.
function pool(s) {
	printf " %s", c_literal(s)
	place = pool_size
	pool_size += length(s) + 1
}

function default_text(name) {
	return default_of[name] == "(empty)" || default_of[name] == "(computed)" ? "" : default_of[name]
}

function time_unit(name,   def, unit) {
	def = default_of[name]
	unit = substr(def, length(def))
	return type_of[name] == "time" && def !~ /^\$[a-z_]+$/ && unit ~ /[smhdw]/ ? unit : "s"
}

function low_of(name,   r) {
	r = range_of[name]
	return r ~ /\.\./ ? substr(r, 1, index(r, "..") - 1) : "0"
}

function high_of(name,   r) {
	r = range_of[name]
	r = r ~ /\.\./ ? substr(r, index(r, "..") + 2) : ""
	if (r != "")
		return r
	return type_of[name] == "size" ? "INT64_MAX" : "INT32_MAX"
}

function write_header(   i) {
	print "/* Made from conf/params.tsv by conf/params.awk. */"
	print "#ifndef POSTKEEP_CONF_PARAMS_GEN_H"
	print "#define POSTKEEP_CONF_PARAMS_GEN_H"
	print "\nenum param {"
	for (i = 0; i < count; i++)
		printf "\tP_%s,\n", names[i]
	print "\tPARAM_COUNT\n};"
	printf "\n#define PARAM_TEMPLATE_COUNT %d\n", templates
	print "\n#endif"
}

function write_source(   i, n, at_name, at_default, at_words, at_readers, at_help) {
	print "/* Made from conf/params.tsv by conf/params.awk. */"
	print "#include \"lib/conf/params.h\""
	print "\n/* Offsets instead of pointers: no relocations, so all processes share these pages. */"
	print "const char param_texts[] ="
	for (i = 0; i < count; i++) {
		n = names[i]
		pool(n)
		at_name[n] = place
		pool(default_text(n))
		at_default[n] = place
		pool(range_of[n] ~ /\.\./ ? "" : range_of[n])
		at_words[n] = place
		print ""
	}
	for (i = 0; i < templates; i++) {
		pool(template_suffix[i])
		at_suffix[i] = place
	}
	print ";\n\nconst char param_explanations[] ="
	pool_size = 0
	for (i = 0; i < count; i++) {
		n = names[i]
		pool(readers_of[n])
		at_readers[n] = place
		pool(help_of[n])
		at_help[n] = place
		print ""
	}
	print ";\n\nconst struct param_info param_infos[PARAM_COUNT] = {"
	for (i = 0; i < count; i++) {
		n = names[i]
		printf "\t{%s, %s, %d, %d, %d, %d, %d, PARAM_%s, PARAM_STATE_%s, '%s', %d, %d},\n",
		    low_of(n), high_of(n), at_name[n], at_default[n], at_words[n], at_readers[n],
		    at_help[n], toupper(type_of[n]), toupper(state_of[n]), time_unit(n),
		    default_of[n] == "(computed)", length(n)
	}
	print "};\n\nconst struct param_template param_templates[PARAM_TEMPLATE_COUNT] = {"
	for (i = 0; i < templates; i++)
		printf "\t{%d, P_%s, P_%s},\n", at_suffix[i], template_name[i],
		    substr(default_of[template_name[i]], 2)
	print "};"
}

function roff(s) {
	s = replace(replace(replace(s, "\\", "\\e"), "-", "\\-"), "'", "\\(aq")
	return s ~ /^\./ ? "\\&" s : s
}

function state_text(state) {
	if (state == "known" || state == "missed")
		return "Accepted; has no effect yet."
	return state == "none" ? "Accepted; has no purpose here." : ""
}

# A word that mdoc(7) would take for a macro, or a delimiter, becomes plain text.
function mdoc_word(s) {
	return "\\&" roff(s)
}

function write_page(   i, n, text) {
	print ".\\\" Made from conf/params.tsv by conf/params.awk."
	print ".Dd November 22, 2026\n.Dt POSTCONF 5\n.Os Postkeep"
	print ".Sh NAME\n.Nm postconf\n.Nd the parameters of main.cf\n.Sh DESCRIPTION"
	while ((getline line < page_head) > 0)
		print line
	close(page_head)
	print ".Sh PARAMETERS\nIn parentheses: the type, and the default.\n.Bl -tag -width Ds"
	for (i = 0; i < count; i++) {
		n = names[i]
		if (n in instance)
			continue
		print ".It Va " mdoc_word(n in shown_as ? shown_as[n] : n)
		text = "(" type_of[n] ", default: " roff(default_of[n]) ")"
		print_wrapped(text)
		print_wrapped(roff(help_of[n]))
		print_wrapped(page_range(n))
		print_wrapped(state_text(state_of[n]))
		if (state_of[n] == "used" && readers_of[n] != "-")
			print_wrapped("Read by: " readers_of[n] ".")
	}
	print ".El\n.Sh SEE ALSO\n.Xr postconf 1 ,\n.Xr postkeep 1 ,\n.Xr master.cf 5 ,"
	print ".Xr postkeep_table 5"
}

# Lines of the page's source are short; none may begin with a letter that roff takes for a request.
function print_wrapped(text,   words, n, i, line) {
	n = split(text, words, " ")
	if (n == 0)
		return
	line = words[1]
	for (i = 2; i <= n; i++) {
		if (length(line) + length(words[i]) < 79) {
			line = line " " words[i]
			continue
		}
		print line
		line = (words[i] ~ /^[.\047]/ ? "\\&" : "") words[i]
	}
	print line
}

function page_range(n,   r) {
	r = range_of[n]
	if (r == "" || r == "0..")
		return ""
	if (r ~ /\.\.$/)
		return "At least " substr(r, 1, length(r) - 2) "."
	if (r ~ /\.\./) {
		sub(/\.\./, " to ", r)
		return "Range: " r "."
	}
	if (r == "absolute")
		return "An absolute path."
	if (r == "servers")
		return "Addresses, each as it is or with a port."
	if (r == "ipv4" || r == "ipv6")
		return "An IP" substr(r, 3) " address."
	if (r == "networks")
		return "Networks and addresses, host names, files and tables."
	gsub(/\|/, ", ", r)
	if (r ~ /^,/)
		r = "(empty)" r
	return "Values: " roff(r) "."
}

BEGIN {
	FS = "\t"
	count = templates = wanted_count = pool_size = 0
	transports = split("error lmtp local relay retry smtp virtual", transport, " ")
}

/^#/ {
	next
}

NF != 7 {
	fail(NF " columns instead of 7")
}

/^</ {
	add_template($1, $2, $3, $4, $5, $6, $7)
	next
}

{
	add($1, $2, $3, $4, $5, $6, $7)
}

END {
	if (failed)
		exit 1
	add_instances()
	sort_names(0, count - 1)
	if (out == "h")
		write_header()
	else if (out == "c")
		write_source()
	else if (out == "man")
		write_page()
	else {
		print "params.awk: out must be h, c or man" > "/dev/stderr"
		exit 1
	}
}
