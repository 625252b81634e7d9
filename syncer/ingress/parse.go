package ingress

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// reader reads annotations by type. What cannot be read is reported, with what the
// value must be, and counts as not there. The forms are those of the AWS Load Balancer
// Controller.
type reader struct {
	// get returns the value of an annotation.
	get func(key string) (string, bool)
	// invalid reports a value: must completes "KEY: VALUE must be ...".
	invalid func(key, value, must string)
}

// reader reads what the member says: its class's IngressClassParams, else its own
// annotations.
func (m *member) reader() reader { return reader{get: m.get, invalid: m.invalid} }

// boolean takes what strconv.ParseBool takes; ok is false without a usable value.
func (r reader) boolean(key string) (value, ok bool) {
	raw, ok := r.get(key)
	if !ok {
		return false, false
	}
	value, err := strconv.ParseBool(raw)
	if err != nil {
		r.invalid(key, raw, "true or false")
	}
	return value, err == nil
}

// number takes a whole number; ok is false without a usable value.
func (r reader) number(key string, least, most int32) (value int32, ok bool) {
	raw, ok := r.get(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(raw, 10, 32)
	if err != nil || int32(n) < least || int32(n) > most {
		r.invalid(key, raw, fmt.Sprintf("a whole number from %d to %d", least, most))
		return 0, false
	}
	return int32(n), true
}

// oneOf takes one of some words; it is "" without a usable value.
func (r reader) oneOf(key string, words ...string) string {
	raw, ok := r.get(key)
	if !ok {
		return ""
	}
	if slices.Contains(words, raw) {
		return raw
	}
	r.invalid(key, raw, strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1])
	return ""
}

// list takes words with commas between them.
func (r reader) list(key string) []string {
	raw, _ := r.get(key)
	return splitList(raw)
}

// pairs takes key=value with commas between them; it is nil without a usable value.
func (r reader) pairs(key string) map[string]string {
	raw, ok := r.get(key)
	if !ok {
		return nil
	}
	pairs, ok := splitPairs(raw)
	if !ok {
		r.invalid(key, raw, `pairs like "a=b,c=d" (\, stands for a comma in a value)`)
		return nil
	}
	return pairs
}

// json decodes a value as encoding/json does: names in any case, unknown ones
// ignored. must words the form. It reports false without a usable value.
func (r reader) json(key, must string, into any) bool {
	raw, ok := r.get(key)
	if !ok {
		return false
	}
	if err := json.Unmarshal([]byte(raw), into); err != nil {
		r.invalid(key, raw, must+" ("+err.Error()+")")
		return false
	}
	return true
}

// splitList splits at commas, trims, and drops what is empty.
func splitList(raw string) []string {
	var out []string
	for word := range strings.SplitSeq(raw, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

// splitPairs splits into pairs. A comma that no further pair follows belongs to the
// value, as does one after a backslash. It reports false for what is no pair.
func splitPairs(raw string) (map[string]string, bool) {
	pairs := map[string]string{}
	const escaped = "\x00" // in no annotation that the API server stores
	var last string
	for piece := range strings.SplitSeq(strings.ReplaceAll(raw, `\,`, escaped), ",") {
		piece = strings.ReplaceAll(piece, escaped, ",")
		key, value, isPair := strings.Cut(piece, "=")
		key = strings.TrimSpace(key)
		switch {
		case isPair && key == "":
			return nil, false
		case isPair:
			last = key
			pairs[key] = strings.TrimSpace(value)
		case strings.TrimSpace(piece) == "":
		case last == "":
			return nil, false
		default:
			pairs[last] += "," + strings.TrimRight(piece, " ")
		}
	}
	return pairs, true
}
