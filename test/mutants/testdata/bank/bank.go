// Package bank is what the mutants of the tool's own test break.
package bank

// Withdraw returns what is left, and false if there is not enough.
func Withdraw(balance, amount int) (int, bool) {
	if amount > balance {
		return balance, false
	}
	return balance - amount, true
}

// Split returns the parts of an amount, the first ones being larger.
func Split(amount, parts int) []int {
	var all []int
	for left := parts; left > 0; left-- {
		part := (amount + left - 1) / left
		all, amount = append(all, part), amount-part
	}
	return all
}
