import Quantization
import Testing

@Suite struct ChannelBalanceTests {
  @Test func onlyChannelsFarAboveTheMedianAreScaled() {
    #expect(ChannelBalance.factors([1, 1.5, 3.9, 0.01, 1]) == [1, 1, 1, 1, 1])
    #expect(ChannelBalance.factors([1, 4, 1, 7.9, 1]) == [1, 2, 1, 2, 1])
    #expect(ChannelBalance.factors([2, 16, 2, 2, 64, 1]) == [1, 4, 1, 1, 8, 1])
  }

  @Test func whatHasNoMedianStaysAsItIs() {
    #expect(ChannelBalance.factors([]) == [])
    #expect(ChannelBalance.factors([5]) == [1])
    #expect(ChannelBalance.factors([0, 0, 7]) == [1, 1, 1])
    #expect(ChannelBalance.factors([1, .infinity, .nan]) == [1, 1, 1])
  }
}
