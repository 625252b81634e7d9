package rehearsal

import "strings"

// Sign says what becomes of something: it comes to be, is changed, or goes.
type Sign string

// Signs.
const (
	Create Sign = "+"
	Change Sign = "~"
	Delete Sign = "-"
)

// signs are those of steps, by the verb that a step in words begins with. What an object
// only has, such as a tag or a certificate on its list, changes it.
var signs = map[string]Sign{
	"create": Create, "open": Create,
	"delete": Delete, "close": Delete,

	"add": Change, "attach": Change, "change": Change, "grant": Change, "move": Change, "remove": Change, "revoke": Change,
	"set": Change, "turn": Change,
}

// SignOf returns the sign of a step in words, empty if its verb has none. Tests of the
// packages that have steps see to it that every one does.
func SignOf(step string) Sign {
	verb, _, _ := strings.Cut(step, " ")
	return signs[verb]
}
