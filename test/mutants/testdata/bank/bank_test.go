package bank

import (
	"net"
	"os"
	"testing"
)

func TestWithdraw(t *testing.T) {
	t.Run("enough", func(t *testing.T) {
		if left, ok := Withdraw(5, 3); left != 2 || !ok {
			t.Error(left, ok)
		}
	})
	t.Run("too little", func(t *testing.T) {
		if left, ok := Withdraw(3, 5); left != 3 || ok {
			t.Error(left, ok)
		}
	})
}

// TestSplit tells who listens that it has begun, and holds the line as long as it runs.
func TestSplit(t *testing.T) {
	if address := os.Getenv("BANK_TEST_LISTENER"); address != "" {
		line, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer line.Close()
	}
	if all := Split(5, 2); len(all) != 2 || all[0]+all[1] != 5 {
		t.Error(all)
	}
}
