package awssim

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// digestLocked is different at each call, and the same in every run: it depends
// on the subject and on how often there was one. Simulated worlds are replayed.
func (s *Sim) digestLocked(subject string) [sha256.Size]byte {
	s.nth[subject]++
	return sha256.Sum256(fmt.Appendf(nil, "%s%s\x00%d", s.prefix, subject, s.nth[subject]))
}

// newIDLocked is a new EC2 identifier: sg- and 17 hexadecimal digits.
func (s *Sim) newIDLocked(prefix, subject string) string {
	d := s.digestLocked(prefix + subject)
	return prefix + "0" + hex.EncodeToString(d[:8])
}

// newSuffixLocked is the last part of a new ARN: 16 hexadecimal digits.
func (s *Sim) newSuffixLocked(subject string) string {
	d := s.digestLocked(subject)
	return hex.EncodeToString(d[:8])
}

// newDigitsLocked is the number in a DNS name.
func (s *Sim) newDigitsLocked(subject string) string {
	d := s.digestLocked(subject)
	return fmt.Sprintf("%09d", binary.BigEndian.Uint32(d[:4])%2_000_000_000)
}

func (s *Sim) newUUIDLocked(subject string) string {
	d := s.digestLocked(subject)
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[:4], d[4:6], d[6:8], d[8:10], d[10:16])
}

// elbARN names an ELBv2 resource: loadbalancer/app/NAME/ID.
func (s *Sim) elbARN(resource string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:%s", s.opts.Region, s.opts.AccountID, resource)
}

// resourceOf is the part of an ELBv2 ARN after its type: app/NAME/ID.
func resourceOf(arn string) string {
	_, resource, _ := strings.Cut(arn, "/")
	return resource
}

// sorted are a map's values in the order of their keys, which makes every listing
// the same in every run.
func sorted[K cmp.Ordered, V any](m map[K]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range sortedKeys(m) {
		values = append(values, m[key])
	}
	return values
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
